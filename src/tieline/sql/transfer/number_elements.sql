-- $2: the number of ids to make; $3: the highest id that the file gives. Returns the last id before the new ones, or no
-- row if none is made and the counter is above all ids of the file already.
update tieline.company c
set "lastElementId" = greatest(c."lastElementId", $3::bigint) + $2::bigint
where c.id = $1 and ($2::bigint > 0 or $3::bigint > c."lastElementId")
returning c."lastElementId" - $2::bigint
