copy pg_temp."stagedMapping" (
    line, given, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
    "lastSyncedAt", "remoteUpdatedAt", link, id, "createdAt", "updatedAt", "createdBy", "updatedBy"
) from stdin
