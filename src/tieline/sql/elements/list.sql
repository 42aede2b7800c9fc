-- One row more than the page holds tells that there is a next page. The last column, as in list_by_external_id: the
-- system asked for is known. externalElement: see find.
with page as (
    select * from tieline.element where "companyId" = $1 and id > $2 order by id limit $3::int + 1
)
select
    (select coalesce(json_agg(row_to_json(shown) order by shown.id), '[]') from (
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
        from (select * from page order by id limit $3::int) e
    ) shown),
    (select count(*) > $3::int from page),
    (select id from page order by id offset $3::int - 1 limit 1),
    true
