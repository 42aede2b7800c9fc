-- For the rest of the transaction, plans are made for the tables as they are, and take indexes: a plan that was kept
-- from when a table was small, or one made without statistics, may read a whole company for each row.
select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_sort', 'off', true)
