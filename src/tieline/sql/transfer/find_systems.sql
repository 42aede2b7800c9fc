-- For each row its canonical address (equal addresses are the same text), and whether its system already has all else
-- that the row gives.
select tieline.canonical_url(r."systemUrl"),
    coalesce((
        select (not r.given ? 'name' or coalesce(r.name, r.integration) = e.name)
            and (not r.given ? 'systemUrl' or r."systemUrl" is not distinct from e."systemUrl")
            and (not r.given ? 'linkTemplate' or r."linkTemplate" is not distinct from e."linkTemplate")
            and (not r.given ? 'staleAfterSeconds' or r."staleAfterSeconds" is not distinct from e."staleAfterSeconds")
            and (
                not r.given ? 'linkTemplates'
                or nullif(r."linkTemplates", 'null') is not distinct from e."linkTemplates"
            )
            and (not r.given ? 'isDefault' or coalesce(r."isDefault", false) = e."isDefault")
            and (not r.given ? 'active' or coalesce(r.active, true) = e.active)
            and (not r.given ? 'metadata' or nullif(r.metadata, 'null') is not distinct from nullif(e.metadata, 'null'))
        from tieline."externalSystem" e
        where e."companyId" = $1 and e.integration = r.integration
    ), false)
from rows from (
    json_to_recordset($2::json) as (
        integration text, name text, "systemUrl" text, "linkTemplate" text, "isDefault" boolean, active boolean,
        metadata jsonb, "staleAfterSeconds" integer, "linkTemplates" jsonb
    ),
    jsonb_array_elements($3::jsonb)
) with ordinality r (integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata, "staleAfterSeconds",
    "linkTemplates", given, n)
order by r.n
