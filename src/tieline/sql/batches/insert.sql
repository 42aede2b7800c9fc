-- Insert the rows that become new mappings, in the order in which they are sent, and return their ids in that order. If
-- another writer inserts one of them at the same time, a unique index refuses it and the batch starts again. Times and
-- authors that a file gives are kept if the transaction says so (`tieline.stamps`); else a trigger sets them.
insert into tieline."externalIntegrationMapping" (
    id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
    "lastSyncedAt", "remoteUpdatedAt", link, "createdAt", "updatedAt", "createdBy", "updatedBy", "companyId"
)
select coalesce(id, tieline.make_id()), "entityType", "entityId", integration, "externalId",
    coalesce("allowDuplicateExternalId", false), nullif(metadata, 'null'), "lastSyncedAt", "remoteUpdatedAt", link,
    coalesce("createdAt", c.moment), coalesce("updatedAt", c.moment), "createdBy", "updatedBy", $1
from (select now() as moment) c
cross join json_to_recordset($2::json) as r (
    id text, "entityType" text, "entityId" text, integration text, "externalId" text,
    "allowDuplicateExternalId" boolean, metadata jsonb, "lastSyncedAt" timestamptz, "remoteUpdatedAt" timestamptz,
    link text, "createdAt" timestamptz, "updatedAt" timestamptz, "createdBy" text, "updatedBy" text
)
returning id
