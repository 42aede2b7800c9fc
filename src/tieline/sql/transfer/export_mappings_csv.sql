-- By id, which is the order in which the rows were made and lie on the disk.
copy (
    select id, "entityType", "entityId", integration, "externalId",
        "allowDuplicateExternalId"::text as "allowDuplicateExternalId", nullif(metadata, 'null') as metadata,
        "lastSyncedAt", "remoteUpdatedAt", "createdAt", "updatedAt", "createdBy", "updatedBy", link
    from tieline."externalIntegrationMapping"
    where "companyId" = %s
    order by id
) to stdout with (format csv, header, encoding 'UTF8')
