-- As CSV whose quote and delimiter no JSON can contain: the text format would double backslashes.
copy (
    select row_to_json(m)
    from (
        select id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata,
            "lastSyncedAt", "remoteUpdatedAt", "createdAt", "updatedAt", "createdBy", "updatedBy", link
        from tieline."externalIntegrationMapping"
        where "companyId" = %s
        order by id
    ) m
) to stdout with (format csv, quote e'\x01', delimiter e'\x02', encoding 'UTF8')
