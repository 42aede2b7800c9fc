-- Lock the mappings that the batch writes, in the order of their unique key, if they have not changed since the plan
-- of the batch was made, and clear the external id of those that give it up. An insert with `on conflict` finds its row
-- by the unique key, whatever PostgreSQL's planner estimates for the table. Returns the number of locked mappings.
with target as materialized (
    select m.*, w."isCleared"
    from (
        select * from json_to_recordset($2::json) b (
            id text, "externalId" text, "isShared" boolean, "hasLink" boolean, "isCleared" boolean
        )
    ) w
    cross join lateral (
        select * from tieline."externalIntegrationMapping" e
        where e."companyId" = $1 and e.id between w.id and w.id
            and e."externalId" is not distinct from w."externalId" and e."allowDuplicateExternalId" = w."isShared"
            and (e.link is not null) = w."hasLink"
        order by e.id
        limit 1
        for update
    ) m
), cleared as (
    insert into tieline."externalIntegrationMapping" ("entityType", "entityId", integration, "updatedBy", "companyId")
    select "entityType", "entityId", integration, nullif(current_setting('tieline.actor', true), ''), $1
    from target
    where "isCleared"
    on conflict ("companyId", "entityType", "entityId", integration) do update set
        "externalId" = null, "updatedAt" = excluded."updatedAt", "updatedBy" = excluded."updatedBy"
    returning id
)
select count(*) from target
