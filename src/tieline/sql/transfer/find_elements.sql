-- The numbers, from 1, of the rows whose element exists, and whether the element already has all that the row gives.
select r.n, (
        r.title, coalesce(r."creationTime", e."creationTime"), coalesce(r."modificationDate", e."modificationDate")
    ) is not distinct from (e.title, e."creationTime", e."modificationDate")
from rows from (
    json_to_recordset($2::json) as (
        id bigint, title text, "creationTime" timestamptz, "modificationDate" timestamptz
    )
) with ordinality r (id, title, "creationTime", "modificationDate", n)
cross join lateral (
    select * from tieline.element f where f."companyId" = $1 and f.id = r.id order by f.id limit 1
) e
