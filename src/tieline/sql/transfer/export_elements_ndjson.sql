copy (
    select row_to_json(e)
    from (
        select id, title, "creationTime", "modificationDate"
        from tieline.element
        where "companyId" = %s
        order by id
    ) e
) to stdout with (format csv, quote e'\x01', delimiter e'\x02', encoding 'UTF8')
