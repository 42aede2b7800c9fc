-- From PostgreSQL 16 on, a member of a role may take it only if the grant says so.
select exists (
    select 1 from pg_roles r
    where r.rolname = 'tieline_server' and pg_has_role(current_user, r.oid, case
        when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end
    )
)
