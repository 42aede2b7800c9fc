with target as materialized (
    select s.line, e.id is null as "isNew", s.id, s.title,
        coalesce(s."creationTime", e."creationTime", now()) as "creationTime",
        coalesce(s."modificationDate", now()) as "modificationDate"
    from pg_temp."stagedElement" s
    left join lateral (
        select * from tieline.element f where f."companyId" = $1 and f.id = s.id limit 1 for update
    ) e on true
    where s.line <> all ($2::bigint[])
), written as (
    insert into tieline.element (id, title, "creationTime", "modificationDate", "companyId")
    select id, title, "creationTime", "modificationDate", $1
    from target
    order by line
    on conflict ("companyId", id) do update set
        title = excluded.title,
        "creationTime" = excluded."creationTime",
        "modificationDate" = excluded."modificationDate"
)
select count(*) filter (where "isNew"), count(*) filter (where not "isNew") from target
