-- Indexes that are absent, of those named in $1, or that an interrupted build left half-made.
select w.name
from unnest($1::text[]) w (name)
where not exists (
    select 1
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'tieline' and c.relname = w.name and i.indisvalid and i.indisready
)
union
select c.relname
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'tieline' and not (i.indisvalid and i.indisready)
order by 1
