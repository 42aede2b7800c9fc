-- $2: the element; $3: true for its historical binding, false for the one in the system with the address $4. Without an
-- address the default system is meant, or else the only active one. An emptied mapping is no binding. Of
-- those to choose from, the first hundred are shown.
with found as (
    select id from tieline.element where "companyId" = $1 and id = $2::text::bigint
), active as (
    select s.integration, s.name, s."systemUrl", s."isDefault"
    from tieline."externalSystem" s where s."companyId" = $1 and s.active
), target as (
    select a.integration from active a
    where not $3::bool and case
        when $4::text is not null then tieline.canonical_url(a."systemUrl") = tieline.canonical_url($4)
        else a."isDefault" or 1 = (select count(*) from active) end
), meant as (
    select m.id, m.integration, m."externalId", m."createdAt",
        tieline.binding_link(m.link, coalesce(s."linkTemplates" ->> 'element', s."linkTemplate"), m."externalId") as link
    from found
    cross join tieline."externalIntegrationMapping" m
    left join tieline."externalSystem" s on s."companyId" = m."companyId" and s.integration = m.integration
    where m."companyId" = $1 and m."entityType" = 'element' and m."entityId" = $2
        and (m."externalId" is not null or m.link is not null)
        and case when $3::bool then not coalesce(s.active, false)
            else m.integration = (select integration from target) end
), removed as (
    delete from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m.id in (select id from meant) and 1 = (select count(*) from meant)
    returning m.integration, m."externalId", m.link
)
select
    -- As the row was when it was deleted, which may be newer than the one that was found.
    (select tieline.binding_json(
        r."externalId", tieline.binding_link(r.link, coalesce(s."linkTemplates" ->> 'element', s."linkTemplate"), r."externalId"),
        case when s.active then s."systemUrl" end
    ) from removed r left join tieline."externalSystem" s on s."companyId" = $1 and s.integration = r.integration),
    exists (select 1 from found),
    $3::bool or exists (select 1 from target),
    case when $3::bool then (
        select coalesce(json_agg(shown), '[]') from (
            select b.integration, b."externalId", b.link from meant b order by b."createdAt", b.id limit 100
        ) shown
    ) else (
        select coalesce(json_agg(shown order by shown.integration), '[]')
        from (select a.integration, a.name, a."systemUrl" from active a order by a.integration limit 100) shown
    ) end
