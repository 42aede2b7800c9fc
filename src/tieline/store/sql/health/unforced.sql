select c.relname
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'tieline' and c.relkind in ('r', 'p') and c.relname <> 'migration'
    and not (c.relrowsecurity and c.relforcerowsecurity)
order by 1
