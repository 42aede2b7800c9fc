-- Text stands as a formula that gives it; see export_mappings_spreadsheet.
copy (
    select '="' || replace(integration, '"', '""') || '"' as integration,
        '="' || replace(name, '"', '""') || '"' as name, '="' || replace("systemUrl", '"', '""') || '"' as "systemUrl",
        '="' || replace("linkTemplate", '"', '""') || '"' as "linkTemplate", "isDefault"::text as "isDefault",
        active::text as active, nullif(metadata, 'null') as metadata
    from tieline."externalSystem"
    where "companyId" = %s
    order by integration
) to stdout with (format csv, header, encoding 'UTF8')
