-- For each of these external ids the first mappings that share it: one more than the batch itself has rows for. Only the
-- index of the external ids gives the inner order (`=` instead of `between` would make the order void). Ordered by id
-- alone, without statistics, each look-up would read all rows of the company by the primary key.
select h.id, h.integration, h."entityType", h."entityId", h."externalId", true, h.link is not null, null::bigint
from json_to_recordset($2::json) b (integration text, "entityType" text, "externalId" text, "rowsMax" integer)
cross join lateral (
    select f.*
    from (
        select *
        from tieline."externalIntegrationMapping" m
        where m."companyId" = $1 and m.integration = b.integration and m."entityType" = b."entityType"
            and m."externalId" between b."externalId" and b."externalId" and m."allowDuplicateExternalId"
        order by m."externalId"
        offset 0
    ) f
    order by f.id
    limit b."rowsMax"
) h
