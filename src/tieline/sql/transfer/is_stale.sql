-- True if more than a fifth of the table's rows have changed since the planner's statistics were made.
select n_mod_since_analyze * 5 > n_live_tup
from pg_stat_all_tables
where schemaname = 'tieline' and relname = $1
