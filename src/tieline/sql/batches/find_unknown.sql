-- The places, from 1, of the rows that would make a new mapping in an external system which the company has not, and the
-- names of its systems that are most like it.
select r.n, coalesce((
    select array_agg(k.integration) from (
        select s.integration from tieline."externalSystem" s where s."companyId" = $1
        order by lower(s.integration) <> lower(r.integration), abs(length(s.integration) - length(r.integration)),
            s.integration
        limit 20
    ) k
), '{}') as known
from rows from (
    json_to_recordset($2::json) as ("entityType" text, "entityId" text, integration text)
) with ordinality r ("entityType", "entityId", integration, n)
where not exists (
    select 1 from tieline."externalSystem" s where s."companyId" = $1 and s.integration = r.integration
) and not exists (
    select 1 from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m."entityType" = r."entityType" and m."entityId" = r."entityId"
        and m.integration = r.integration
)
