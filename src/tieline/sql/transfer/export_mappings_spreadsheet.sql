-- Text stands as a formula that gives it, so that a spreadsheet takes no id for a number, a date or a formula.
copy (
    select '="' || replace(id, '"', '""') || '"' as id, '="' || replace("entityType", '"', '""') || '"' as "entityType",
        '="' || replace("entityId", '"', '""') || '"' as "entityId",
        '="' || replace(integration, '"', '""') || '"' as integration,
        '="' || replace("externalId", '"', '""') || '"' as "externalId",
        "allowDuplicateExternalId"::text as "allowDuplicateExternalId", nullif(metadata, 'null') as metadata,
        "lastSyncedAt", "remoteUpdatedAt", "createdAt", "updatedAt",
        '="' || replace("createdBy", '"', '""') || '"' as "createdBy",
        '="' || replace("updatedBy", '"', '""') || '"' as "updatedBy", '="' || replace(link, '"', '""') || '"' as link
    from tieline."externalIntegrationMapping"
    where "companyId" = %s
    order by id
) to stdout with (format csv, header, encoding 'UTF8')
