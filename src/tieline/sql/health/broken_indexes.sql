-- Of the ones that the service stands on: absent, or left half-made by an interrupted build.
select w.name
from unnest($1::text[]) w (name)
where not exists (
    select
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
