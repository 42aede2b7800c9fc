-- For each of these external ids the first mappings that share it: one more than the batch itself has rows for.
select h.id, h.integration, h."entityType", h."entityId", h."externalId", true, h.link is not null, null::bigint
from json_to_recordset($2::json) b (integration text, "entityType" text, "externalId" text, "rowsMax" integer)
cross join lateral (
    select *
    from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m.integration = b.integration and m."entityType" = b."entityType"
        and m."externalId" = b."externalId" and m."allowDuplicateExternalId"
    order by m.id
    limit b."rowsMax"
) h
