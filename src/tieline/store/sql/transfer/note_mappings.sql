insert into pg_temp."landedMapping" ("entityType", "entityId", integration, line)
select "entityType", "entityId", integration, line
from pg_temp."stagedMapping"
where line <> all ($1::bigint[])
