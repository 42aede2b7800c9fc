-- PostgreSQL writes nothing to its log of a statement that fails. Its messages repeat values, and a client that sends bad
-- ones would fill the disk; a failure that matters is in the log of Tieline. Most of these may be set by a superuser
-- only, or by a role with the right to; tieline doctor names what is left as it is.
select set_config('log_parameter_max_length_on_error', '0', false), (
    select count(set_config(s.name, s.value, false))
    from (values
        ('log_min_messages', 'log'),
        ('log_min_error_statement', 'panic'),
        ('log_error_verbosity', 'terse'),
        ('log_parameter_max_length', '0')
    ) s (name, value)
    where has_parameter_privilege(s.name, 'SET')
)
