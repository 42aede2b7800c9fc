-- Two truths: there is a registry; row-level security leaves this role alone.
select to_regclass('tieline.migration') is not null, r.rolsuper or r.rolbypassrls
from pg_roles r
where r.rolname = current_user
