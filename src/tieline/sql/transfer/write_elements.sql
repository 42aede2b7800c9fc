-- Lock the elements that exist, so that a column that a row leaves out stays as it is.
with target as materialized (
    select r.id, r.title, coalesce(r."creationTime", e."creationTime", c.moment) as "creationTime",
        coalesce(r."modificationDate", c.moment) as "modificationDate"
    from (select now() as moment) c
    cross join json_to_recordset($2::json) r (
        id bigint, title text, "creationTime" timestamptz, "modificationDate" timestamptz
    )
    left join lateral (
        select * from tieline.element f where f."companyId" = $1 and f.id = r.id order by f.id limit 1 for update
    ) e on true
)
insert into tieline.element (id, title, "creationTime", "modificationDate", "companyId")
select id, title, "creationTime", "modificationDate", $1
from target
order by id
on conflict ("companyId", id) do update set
    title = excluded.title,
    "creationTime" = excluded."creationTime",
    "modificationDate" = excluded."modificationDate"
returning id
