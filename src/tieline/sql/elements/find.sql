-- externalElement is the linked mapping that stands for the element: the default system's, else the oldest current one,
-- else the oldest.
select row_to_json(shown)
from (
    select e.id, e.title, e."creationTime", e."modificationDate", (
        select row_to_json(l)
        from (
            select m."externalId", tieline.binding_link(m.link, coalesce(s."linkTemplates" ->> 'element', s."linkTemplate"), m."externalId") as link,
                case when s.active then s."systemUrl" end as "systemUrl"
            from tieline."externalIntegrationMapping" m
            left join tieline."externalSystem" s on s."companyId" = m."companyId" and s.integration = m.integration
            where m."companyId" = $1 and m."entityType" = 'element' and m."entityId" = e.id::text
                and (m."externalId" is not null or m.link is not null)
            order by coalesce(s.active and s."isDefault", false) desc, coalesce(s.active, false) desc,
                m."createdAt", m.id
            limit 1
        ) l
    ) as "externalElement"
    from tieline.element e
    where e."companyId" = $1 and e.id = $2
) shown
