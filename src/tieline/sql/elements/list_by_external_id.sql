-- $4: the external id; $5: the address of its system, null for any. externalElement: see find.
-- Any system means all integrations that the company has mappings in. Each is found by one step through the index;
-- PostgreSQL skips through an index by itself only from version 18 on.
with recursive integrations as (
    select min(a.integration) as name from tieline."externalIntegrationMapping" a
    where a."companyId" = $1 and $5::text is null
    union all
    select (
        select min(a.integration) from tieline."externalIntegrationMapping" a
        where a."companyId" = $1 and a.integration > i.name
    ) from integrations i where i.name is not null
), target as (
    select s.integration from tieline."externalSystem" s
    where s."companyId" = $1 and s.active and tieline.canonical_url(s."systemUrl") = tieline.canonical_url($5)
), held as (
    select case when m."entityId" ~ '^[1-9][0-9]{0,18}$' then m."entityId"::numeric end as id
    from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m."entityType" = 'element' and m."externalId" = $4 and m.integration = any(array(
        select t.integration from target t
        union all
        select i.name from integrations i
    ))
), page as (
    select e.* from tieline.element e
    where e."companyId" = $1 and e.id > $2
        and e.id = any(array(select id::bigint from held where id <= 9223372036854775807))
    order by e.id limit $3::int + 1
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
    $5::text is null or exists (select 1 from target)
