select s.line, l.line,
    (
        s.title,
        case when s.given & 4 <> 0 then coalesce(s."creationTime", e."creationTime") else e."creationTime" end,
        case when s.given & 8 <> 0 then coalesce(s."modificationDate", e."modificationDate")
            else e."modificationDate" end
    ) is not distinct from (e.title, e."creationTime", e."modificationDate")
from pg_temp."stagedElement" s
cross join lateral (
    select * from tieline.element f where f."companyId" = $1 and f.id = s.id limit 1
) e
left join pg_temp."landedElement" l on l.id = s.id
