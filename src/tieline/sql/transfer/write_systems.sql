with target as materialized (
    select s.line, e.integration is null as "isNew", s.integration,
        coalesce(case when s.given & 2 <> 0 then s.name else e.name end, s.integration) as name,
        case when s.given & 4 <> 0 then s."systemUrl" else e."systemUrl" end as "systemUrl",
        case when s.given & 8 <> 0 then s."linkTemplate" else e."linkTemplate" end as "linkTemplate",
        coalesce(case when s.given & 16 <> 0 then s."isDefault" else e."isDefault" end, false) as "isDefault",
        coalesce(case when s.given & 32 <> 0 then s.active else e.active end, true) as active,
        case when s.given & 64 <> 0 then nullif(s.metadata, 'null') else e.metadata end as metadata
    from pg_temp."stagedSystem" s
    left join lateral (
        select * from tieline."externalSystem" f
        where f."companyId" = $1 and f.integration = s.integration
        limit 1
        for update
    ) e on true
    where s.line <> all ($2::bigint[])
), written as (
    insert into tieline."externalSystem" (
        integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata, "companyId"
    )
    select integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata, $1
    from target
    order by line
    on conflict ("companyId", integration) do update set
        name = excluded.name,
        "systemUrl" = excluded."systemUrl",
        "linkTemplate" = excluded."linkTemplate",
        "isDefault" = excluded."isDefault",
        active = excluded.active,
        metadata = excluded.metadata
)
select count(*) filter (where "isNew"), count(*) filter (where not "isNew") from target
