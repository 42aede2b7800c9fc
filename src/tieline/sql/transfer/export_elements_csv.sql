copy (
    select id, title, "creationTime", "modificationDate"
    from tieline.element
    where "companyId" = %s
    order by id
) to stdout with (format csv, header, encoding 'UTF8')
