-- The staged rows but those of these lines, as new mappings. Somebody who inserts one of them at the same time breaks
-- a unique index, and the batch starts over. Stamps are set here and not by the trigger, since a file may give them.
with target as materialized (
    select s.*, coalesce(s.id, tieline.make_id()) as "newId", nullif(current_setting('tieline.actor', true), '') as actor
    from pg_temp."stagedMapping" s
    where s.line <> all ($2::bigint[])
), landed as (
    insert into pg_temp."landedMapping" (id, line)
    select "newId", line from target
), written as (
    insert into tieline."externalIntegrationMapping" (
        id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
        "lastSyncedAt", "remoteUpdatedAt", link, "createdAt", "updatedAt", "createdBy", "updatedBy", "companyId"
    )
    select "newId", "entityType", "entityId", integration, "externalId", coalesce("allowDuplicateExternalId", false),
        nullif(metadata, 'null'), "lastSyncedAt", "remoteUpdatedAt", link, coalesce("createdAt", now()),
        coalesce("updatedAt", now()), case when given & 4096 <> 0 then "createdBy" else actor end,
        case when given & 8192 <> 0 then "updatedBy" else actor end, $1
    from target
)
select count(*) from target
