-- Whether the planner's picture of the table is older than a fifth of its rows.
select n_mod_since_analyze * 5 > n_live_tup
from pg_stat_all_tables
where schemaname = 'tieline' and relname = $1
