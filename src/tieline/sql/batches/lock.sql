-- Take turns with others who write external ids in the same integration and entity type. Rows that share their id ask
-- for the exclusive lock. Locks are taken in the order of their keys, so that two batches do not wait for each other.
-- With sorting off, the look-ups that follow take the index that has their order, whatever the planner estimates for a
-- table without statistics.
select set_config('enable_sort', $3, true), case when k."isExclusive" then pg_advisory_xact_lock(k.key) else pg_advisory_xact_lock_shared(k.key) end
from (
    select tieline.slot_key($1, b.integration, b."entityType") as key, bool_or(b."isExclusive") as "isExclusive"
    from json_to_recordset($2::json) b (integration text, "entityType" text, "isExclusive" boolean)
    group by 1
    order by 1
    offset 0
) k
