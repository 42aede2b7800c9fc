copy (
    select row_to_json(s)
    from (
        select integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata
        from tieline."externalSystem"
        where "companyId" = %s
        order by integration
    ) s
) to stdout with (format csv, quote e'\x01', delimiter e'\x02', encoding 'UTF8')
