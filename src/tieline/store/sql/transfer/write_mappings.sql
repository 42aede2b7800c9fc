-- The staged rows but those of these lines, in the order of the file, so that a row can take an external id that the
-- row before it gave up. Rows that are there are locked first: what the file does not give must not be lost to
-- another writer. Stamps are set here and not by the trigger, since a file may give them.
with target as materialized (
    select s.line, m.id is null as "isNew",
        coalesce(m.id, s.id, tieline.make_id()) as id, s."entityType", s."entityId", s.integration,
        case when s.given & 8 <> 0 then s."externalId" else m."externalId" end as "externalId",
        coalesce(
            case when s.given & 16 <> 0 then s."allowDuplicateExternalId" else m."allowDuplicateExternalId" end, false
        ) as "allowDuplicateExternalId",
        case when s.given & 32 <> 0 then nullif(s.metadata, 'null') else m.metadata end as metadata,
        case when s.given & 64 <> 0 then s."lastSyncedAt" else m."lastSyncedAt" end as "lastSyncedAt",
        case when s.given & 128 <> 0 then s."remoteUpdatedAt" else m."remoteUpdatedAt" end as "remoteUpdatedAt",
        case when s.given & 256 <> 0 then s.link else m.link end as link,
        coalesce(m."createdAt", s."createdAt", now()) as "createdAt",
        coalesce(s."updatedAt", now()) as "updatedAt",
        case when m.id is not null then m."createdBy" when s.given & 4096 <> 0 then s."createdBy" else a.actor end
            as "createdBy",
        case when s.given & 8192 <> 0 then s."updatedBy" else a.actor end as "updatedBy"
    from pg_temp."stagedMapping" s
    cross join (select nullif(current_setting('tieline.actor', true), '') as actor) a
    left join lateral (
        select *
        from tieline."externalIntegrationMapping" e
        where e."companyId" = $1 and e."entityType" = s."entityType" and e."entityId" = s."entityId"
            and e.integration = s.integration
        limit 1
        for update
    ) m on true
    where s.line <> all ($2::bigint[])
), written as (
    insert into tieline."externalIntegrationMapping" as m (
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
    -- Another id: somebody has inserted it since the look-up, and the batch starts over.
    where m.id = excluded.id or tieline.refuse('40001', 'A mapping was written by somebody else in the meantime.')
)
select count(*) filter (where "isNew"), count(*) filter (where not "isNew") from target
