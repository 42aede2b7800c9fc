copy (
    select integration, name, "systemUrl", "linkTemplate", "isDefault"::text as "isDefault", active::text as active,
        nullif(metadata, 'null') as metadata
    from tieline."externalSystem"
    where "companyId" = %s
    order by integration
) to stdout with (format csv, header, encoding 'UTF8')
