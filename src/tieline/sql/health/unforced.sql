-- Tables with companies' rows that lack forced row-level security: a statement without the company would show them all.
select c.relname
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'tieline' and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)
    and (
        c.relname = 'company'
        or exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'companyId')
    )
order by 1
