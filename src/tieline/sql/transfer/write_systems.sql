-- A column that a row leaves out stays as it is.
with target as materialized (
    select r.integration,
        coalesce(case when r.given ? 'name' then r.name else e.name end, r.integration) as name,
        case when r.given ? 'systemUrl' then r."systemUrl" else e."systemUrl" end as "systemUrl",
        case when r.given ? 'linkTemplate' then r."linkTemplate" else e."linkTemplate" end as "linkTemplate",
        coalesce(case when r.given ? 'isDefault' then r."isDefault" else e."isDefault" end, false) as "isDefault",
        coalesce(case when r.given ? 'active' then r.active else e.active end, true) as active,
        case when r.given ? 'metadata' then nullif(r.metadata, 'null') else e.metadata end as metadata,
        case when r.given ? 'staleAfterSeconds' then r."staleAfterSeconds" else e."staleAfterSeconds" end
            as "staleAfterSeconds",
        case when r.given ? 'linkTemplates' then nullif(r."linkTemplates", 'null') else e."linkTemplates" end
            as "linkTemplates"
    from rows from (
        json_to_recordset($2::json) as (
            integration text, name text, "systemUrl" text, "linkTemplate" text, "isDefault" boolean, active boolean,
            metadata jsonb, "staleAfterSeconds" integer, "linkTemplates" jsonb
        ),
        jsonb_array_elements($3::jsonb)
    ) r (integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata, "staleAfterSeconds", "linkTemplates",
        given)
    left join lateral (
        select * from tieline."externalSystem" f
        where f."companyId" = $1 and f.integration = r.integration
        limit 1
    ) e on true
)
insert into tieline."externalSystem" (
    integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata, "staleAfterSeconds",
    "linkTemplates", "companyId"
)
select integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata, "staleAfterSeconds",
    "linkTemplates", $1
from target
order by integration
on conflict ("companyId", integration) do update set
    name = excluded.name,
    "systemUrl" = excluded."systemUrl",
    "linkTemplate" = excluded."linkTemplate",
    "isDefault" = excluded."isDefault",
    active = excluded.active,
    metadata = excluded.metadata,
    "staleAfterSeconds" = excluded."staleAfterSeconds",
    "linkTemplates" = excluded."linkTemplates"
returning integration
