-- The rights that a server and its migrations need in the database.
select
    current_setting('transaction_read_only') = 'on',
    coalesce((
        select pg_has_role(n.nspowner, 'usage') from pg_namespace n where n.nspname = 'tieline'
    ), has_database_privilege(current_database(), 'create')),
    array(
        select c.relname::text
        from pg_class c
        where c.relnamespace = to_regnamespace('tieline') and c.relkind in ('r', 'p')
            and not pg_has_role(c.relowner, 'usage')
        order by 1
    ),
    -- The connections that are left for this role, when nobody else has any.
    least(
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
        (select nullif(r.rolconnlimit, -1) from pg_roles r where r.rolname = current_user),
        (select nullif(d.datconnlimit, -1) from pg_database d where d.datname = current_database())
    ),
    array(
        select s.name || ' = ' || s.setting
        from pg_settings s
        where (s.name = 'log_min_error_statement' and s.setting not in ('log', 'fatal', 'panic'))
            or (s.name = 'log_min_messages' and s.setting not in ('log', 'fatal', 'panic'))
            or (s.name = 'log_statement' and s.setting <> 'none')
            or (s.name = 'log_min_duration_statement' and s.setting <> '-1')
        order by 1
    )
