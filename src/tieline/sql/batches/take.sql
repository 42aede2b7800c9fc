-- Lock the mappings that the batch writes, in the order of their keys, if they still are as the decision found them,
-- and take their external id from those that give it up. An insert that meets its row finds it by the key, whatever is
-- guessed of the table. The answer is how many are locked.
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
