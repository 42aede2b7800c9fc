-- The tables of the registry, with their columns (but generated ones, which cannot be written), and if row-level security
-- is forced.
select c.relname, array_agg(a.attname::text order by a.attnum), c.relforcerowsecurity
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
where c.relnamespace = to_regnamespace('tieline') and c.relkind in ('r', 'p')
group by c.oid, c.relname, c.relforcerowsecurity
