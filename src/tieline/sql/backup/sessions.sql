-- Other sessions of Tieline in this database.
select count(*)
from pg_stat_activity
where datname = current_database() and application_name = 'tieline' and pid <> pg_backend_pid()
