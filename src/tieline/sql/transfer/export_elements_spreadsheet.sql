-- Text stands as a formula that gives it; see export_mappings_spreadsheet.
copy (
    select id, '="' || replace(title, '"', '""') || '"' as title, "creationTime", "modificationDate"
    from tieline.element
    where "companyId" = %s
    order by id
) to stdout with (format csv, header, encoding 'UTF8')
