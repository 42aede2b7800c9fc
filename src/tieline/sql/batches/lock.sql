-- Take turns with others who write external ids in the same slots: rows that share their id ask for the exclusive lock.
-- In the order of the keys, so that two batches do not wait for each other. Sorting off makes the look-ups that follow
-- take the index that gives their order, whatever is guessed of a table without statistics.
select set_config('enable_sort', $3, true), case when k."isExclusive" then pg_advisory_xact_lock(k.key) else pg_advisory_xact_lock_shared(k.key) end
from (
    select tieline.slot_key($1, b.integration, b."entityType") as key, bool_or(b."isExclusive") as "isExclusive"
    from json_to_recordset($2::json) b (integration text, "entityType" text, "isExclusive" boolean)
    group by 1
    order by 1
    offset 0
) k
