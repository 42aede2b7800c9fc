-- $2: how many ids to make; $3: the highest id that the file gives. The answer is the last id before the new ones. No
-- row: the counter is above all of them already, and none is made.
update tieline.company c
set "lastElementId" = greatest(c."lastElementId", $3::bigint) + $2::bigint
where c.id = $1 and ($2::bigint > 0 or $3::bigint > c."lastElementId")
returning c."lastElementId" - $2::bigint
