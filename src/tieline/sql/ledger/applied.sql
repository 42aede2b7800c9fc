-- A function that somebody dropped counts as not applied.
select 'migration', name, sha256 from tieline.migration
union all
select 'function', r.name, r.sha256
from tieline.routine r
where r.name = 'triggers' or exists (
    select 1 from pg_proc p where p.pronamespace = 'tieline'::regnamespace and p.proname = r.name
)
