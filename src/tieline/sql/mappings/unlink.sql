-- $2: the element; $3: whether the historical binding is meant, else the one in the system of the address $4.
with found as (
    select id from tieline.element where "companyId" = $1 and id = $2::text::bigint
), target as (
    select integration from tieline.target_system($1, $4) where not $3::bool
), meant as (
    select b.* from tieline.binding b, found
    where b."companyId" = $1 and b."entityId" = $2
        and case when $3::bool then not b."isCurrent" else b.integration = (select integration from target) end
), removed as (
    delete from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m.id in (select id from meant) and 1 = (select count(*) from meant)
    returning m.integration, m."externalId", m.link
)
select
    -- Of the row that was deleted, which may be newer than the one that was found.
    (select tieline.binding_json(
        r."externalId", tieline.binding_link(r.link, s."linkTemplate", r."externalId"),
        case when s.active then s."systemUrl" end
    ) from removed r left join tieline."externalSystem" s on s."companyId" = $1 and s.integration = r.integration),
    exists (select from found),
    $3::bool or exists (select from target),
    case when $3::bool then (
        select coalesce(json_agg(shown), '[]') from (
            select b.integration, b."externalId", b.link from meant b order by b."createdAt", b.id
        ) shown
    ) else tieline.active_systems($1) end
