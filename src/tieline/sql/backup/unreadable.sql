-- Tables whose rows this role does not see whole, even in a session with tieline.backup.
select c.relname
from pg_class c
where c.relnamespace = to_regnamespace('tieline') and c.relkind in ('r', 'p')
    and (
        not has_table_privilege(c.oid, 'select')
        or (
            c.relrowsecurity
            and not exists (
                select 1 from pg_roles r where r.rolname = current_user and (r.rolsuper or r.rolbypassrls)
            )
            and not exists (
                select 1 from pg_policy p
                where p.polrelid = c.oid and p.polname in ('operator', 'backup')
                    and exists (select 1 from unnest(p.polroles) role (id) where pg_has_role(role.id, 'usage'))
            )
        )
    )
order by 1
