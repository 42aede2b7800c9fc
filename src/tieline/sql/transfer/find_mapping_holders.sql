-- Who else holds an external id that a staged row wants. `not …` and not `= false`: only that finds the partial index.
select s.integration, s."entityType", s."externalId", h."entityId", h.id, l.line
from (
    select t.integration, t."entityType", t."entityId",
        case when t.given & 8 <> 0 then t."externalId" else m."externalId" end as "externalId"
    from pg_temp."stagedMapping" t
    left join lateral (
        select e."externalId"
        from tieline."externalIntegrationMapping" e
        where t.given & 8 = 0 and e."companyId" = $1 and e."entityType" = t."entityType"
            and e."entityId" = t."entityId" and e.integration = t.integration
        limit 1
    ) m on true
) s
cross join lateral (
    select e."entityId", e.id
    from tieline."externalIntegrationMapping" e
    where e."companyId" = $1 and e.integration = s.integration and e."entityType" = s."entityType"
        and e."externalId" = s."externalId" and not e."allowDuplicateExternalId" and e."entityId" <> s."entityId"
    limit 1
) h
left join pg_temp."landedMapping" l on l.id = h.id
