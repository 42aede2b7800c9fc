-- The mappings that the rows of a batch are about, and the holders of the external ids that the rows give. Of mappings
-- that share an external id only the first is returned, with their number. Sorting is off, and only one index has the
-- order of each look-up: so the planner takes that index, whatever it estimates for a table without statistics.
with batch as materialized (
    select * from json_to_recordset($2::json) as b (
        integration text, "entityType" text, "entityIds" text[], "externalIds" text[]
    )
)
select o.*, null::bigint as members
from batch b
cross join lateral (
    select m.id, m.integration, m."entityType", m."entityId", m."externalId", m."allowDuplicateExternalId",
        m.link is not null
    from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m."entityType" = b."entityType" and m."entityId" = any (b."entityIds")
        and m.integration = b.integration
    order by m."entityId"
) o
union all
select h.*
from batch b
cross join lateral (
    select distinct on (m."externalId", m."allowDuplicateExternalId") m.id, m.integration, m."entityType",
        m."entityId", m."externalId", m."allowDuplicateExternalId", m.link is not null,
        count(*) over (partition by m."externalId", m."allowDuplicateExternalId") as members
    from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m.integration = b.integration and m."entityType" = b."entityType"
        and m."externalId" = any (b."externalIds")
    order by m."externalId", m."allowDuplicateExternalId", m.id
) h
