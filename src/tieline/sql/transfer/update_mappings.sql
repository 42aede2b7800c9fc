-- The mappings that these staged lines change, in the order of the file, so that a row can take an external id that the
-- row before it gave up: an insert that meets its row keeps the order of its select, an update has none. The rows are
-- locked first, as what the file does not give must not be lost to another writer. Stamps are set here and not by the
-- trigger, since a file may give them.
with target as materialized (
    select s.line, m.id, s."entityType", s."entityId", s.integration,
        case when s.given & 8 <> 0 then s."externalId" else m."externalId" end as "externalId",
        coalesce(
            case when s.given & 16 <> 0 then s."allowDuplicateExternalId" else m."allowDuplicateExternalId" end, false
        ) as "allowDuplicateExternalId",
        case when s.given & 32 <> 0 then nullif(s.metadata, 'null') else m.metadata end as metadata,
        case when s.given & 64 <> 0 then s."lastSyncedAt" else m."lastSyncedAt" end as "lastSyncedAt",
        case when s.given & 128 <> 0 then s."remoteUpdatedAt" else m."remoteUpdatedAt" end as "remoteUpdatedAt",
        case when s.given & 256 <> 0 then s.link else m.link end as link,
        m."createdAt",
        coalesce(s."updatedAt", now()) as "updatedAt",
        m."createdBy",
        case when s.given & 8192 <> 0 then s."updatedBy" else a.actor end as "updatedBy"
    from pg_temp."stagedMapping" s
    cross join (select nullif(current_setting('tieline.actor', true), '') as actor) a
    cross join lateral (
        select *
        from tieline."externalIntegrationMapping" e
        where e."companyId" = $1 and e."entityType" = s."entityType" and e."entityId" = s."entityId"
            and e.integration = s.integration
        limit 1
        for update
    ) m
    where s.line = any ($2::bigint[])
), written as (
    insert into tieline."externalIntegrationMapping" (
        id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
        "lastSyncedAt", "remoteUpdatedAt", link, "createdAt", "updatedAt", "createdBy", "updatedBy", "companyId"
    )
    select id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
        "lastSyncedAt", "remoteUpdatedAt", link, "createdAt", "updatedAt", "createdBy", "updatedBy", $1
    from target
    order by line
    on conflict ("companyId", "entityType", "entityId", integration) do update set
        "externalId" = excluded."externalId",
        "allowDuplicateExternalId" = excluded."allowDuplicateExternalId",
        metadata = excluded.metadata,
        "lastSyncedAt" = excluded."lastSyncedAt",
        "remoteUpdatedAt" = excluded."remoteUpdatedAt",
        link = excluded.link,
        "updatedAt" = excluded."updatedAt",
        "updatedBy" = excluded."updatedBy"
)
select count(*) from target
