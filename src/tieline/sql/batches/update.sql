-- Write the rows whose mapping exists and is locked. A column that a row leaves out stays as it is. Times and authors
-- that a file gives are kept if the transaction says so (`tieline.stamps`); else a trigger sets them.
with target as materialized (
    select m.id, m."entityType", m."entityId", m.integration, m."createdAt", m."createdBy",
        case when r.given ? 'externalId' then r."externalId" else m."externalId" end as "externalId",
        case when r.given ? 'allowDuplicateExternalId' then coalesce(r."allowDuplicateExternalId", false)
            else m."allowDuplicateExternalId" end as "allowDuplicateExternalId",
        case when r.given ? 'metadata' then nullif(r.metadata, 'null') else m.metadata end as metadata,
        case when r.given ? 'lastSyncedAt' then r."lastSyncedAt" else m."lastSyncedAt" end as "lastSyncedAt",
        case when r.given ? 'remoteUpdatedAt' then r."remoteUpdatedAt" else m."remoteUpdatedAt" end
            as "remoteUpdatedAt",
        case when r.given ? 'link' then r.link else m.link end as link,
        coalesce(r."updatedAt", c.moment) as "updatedAt", r."updatedBy"
    from (select now() as moment) c
    cross join rows from (
        json_to_recordset($2::json) as (
            "externalId" text, "allowDuplicateExternalId" boolean, metadata jsonb, "lastSyncedAt" timestamptz,
            "remoteUpdatedAt" timestamptz, link text, "updatedAt" timestamptz, "updatedBy" text, id text
        ),
        jsonb_array_elements($3::jsonb)
    ) r (
        "externalId", "allowDuplicateExternalId", metadata, "lastSyncedAt", "remoteUpdatedAt", link, "updatedAt",
        "updatedBy", id, given
    )
    cross join lateral (
        select * from tieline."externalIntegrationMapping" e
        where e."companyId" = $1 and e.id between r.id and r.id
        order by e.id
        limit 1
    ) m
)
insert into tieline."externalIntegrationMapping" as e (
    id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
    "lastSyncedAt", "remoteUpdatedAt", link, "createdAt", "updatedAt", "createdBy", "updatedBy", "companyId"
)
select id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
    "lastSyncedAt", "remoteUpdatedAt", link, "createdAt", "updatedAt", "createdBy", "updatedBy", $1
from target
on conflict ("companyId", "entityType", "entityId", integration) do update set
    "externalId" = excluded."externalId",
    "allowDuplicateExternalId" = excluded."allowDuplicateExternalId",
    metadata = excluded.metadata,
    "lastSyncedAt" = excluded."lastSyncedAt",
    "remoteUpdatedAt" = excluded."remoteUpdatedAt",
    link = excluded.link,
    "updatedAt" = excluded."updatedAt",
    "updatedBy" = excluded."updatedBy"
where e.id = excluded.id
returning id
