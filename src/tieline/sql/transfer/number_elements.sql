-- Gives ids to the staged rows that have none, and keeps the counter above every id of the file below 2^53: above
-- that, ids are no longer whole in JavaScript and the counter does not follow.
with staged as (
    select count(*) filter (where id is null) as missing, max(id) filter (where id < 9007199254740992) as highest
    from pg_temp."stagedElement"
    where line <> all ($2::bigint[])
), counter as (
    update tieline.company c
    set "lastElementId" = greatest(c."lastElementId", s.highest) + s.missing
    from staged s
    where c.id = $1 and (s.missing > 0 or s.highest > c."lastElementId")
    returning c."lastElementId" - s.missing as before
), numbered as (
    select line, row_number() over (order by line) as number
    from pg_temp."stagedElement"
    where id is null and line <> all ($2::bigint[])
)
update pg_temp."stagedElement" t
set id = c.before + n.number
from numbered n, counter c
where t.line = n.line
