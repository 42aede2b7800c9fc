-- Table and referenced table of each foreign key.
select r.relname, t.relname
from pg_constraint f
join pg_class r on r.oid = f.conrelid
join pg_class t on t.oid = f.confrelid
where f.contype = 'f' and r.relnamespace = 'tieline'::regnamespace and r.oid <> t.oid
