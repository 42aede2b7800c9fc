-- Functions of $1 and triggers of $2 (table.trigger) that somebody dropped or disabled by hand.
select w.name
from unnest($1::text[]) w (name)
where not exists (
    select 1 from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'tieline' and p.proname = w.name
)
union all
select w.name
from unnest($2::text[]) w (name)
where not exists (
    select 1
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'tieline' and c.relname || '.' || t.tgname = w.name and t.tgenabled <> 'D'
)
