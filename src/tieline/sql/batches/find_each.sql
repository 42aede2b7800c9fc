-- As `find`, for PostgreSQL before 17: there a scan for a set of values gives no order, and without statistics the
-- planner would read a whole system for them. Each id is looked up by itself, by the index that gives the inner order.
with batch as materialized (
    select * from json_to_recordset($2::json) as b (
        integration text, "entityType" text, "entityIds" text[], "externalIds" text[]
    )
)
select o.*, null::bigint as members
from batch b
cross join lateral unnest(b."entityIds") asked (id)
cross join lateral (
    select m.id, m.integration, m."entityType", m."entityId", m."externalId", m."allowDuplicateExternalId",
        m.link is not null
    from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m."entityType" = b."entityType" and m."entityId" between asked.id and asked.id
        and m.integration = b.integration
    order by m."entityId"
    limit 1
) o
union all
select h.*
from batch b
cross join lateral (select distinct x.id from unnest(b."externalIds") x (id)) asked
cross join lateral (
    select distinct on (f."allowDuplicateExternalId") f.id, f.integration, f."entityType", f."entityId",
        f."externalId", f."allowDuplicateExternalId", f.link is not null,
        count(*) over (partition by f."allowDuplicateExternalId") as members
    from (
        select *
        from tieline."externalIntegrationMapping" m
        where m."companyId" = $1 and m.integration = b.integration and m."entityType" = b."entityType"
            and m."externalId" between asked.id and asked.id
        order by m."externalId"
        offset 0
    ) f
    order by f."allowDuplicateExternalId", f.id
) h
