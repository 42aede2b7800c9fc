-- The linked mappings of an element, oldest first. No row: there is no such element.
select coalesce((
    select json_agg(
        tieline.binding_json(
            m."externalId", tieline.binding_link(m.link, coalesce(s."linkTemplates" ->> 'element', s."linkTemplate"), m."externalId"),
            case when s.active then s."systemUrl" end
        )
        order by m."createdAt", m.id
    )
    from tieline."externalIntegrationMapping" m
    left join tieline."externalSystem" s on s."companyId" = m."companyId" and s.integration = m.integration
    where m."companyId" = $1 and m."entityType" = 'element' and m."entityId" = $2
        and (m."externalId" is not null or m.link is not null)
), '[]')
from tieline.element where "companyId" = $1 and id = $2::bigint
