select exists (select 1 from pg_roles where rolname = 'tieline_server' and pg_has_role(current_user, oid, 'member'))
