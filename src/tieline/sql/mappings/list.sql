-- The linked mappings of an element, oldest first. No row: there is no such element. They are weighed before they are put
-- together; no more are read than an answer may have bytes for.
with found as materialized (
    select m.id, m."createdAt", m."externalId", m.link, coalesce(s."linkTemplates" ->> 'element', s."linkTemplate") as template,
        case when s.active then s."systemUrl" end as address
    from tieline."externalIntegrationMapping" m
    left join tieline."externalSystem" s on s."companyId" = m."companyId" and s.integration = m.integration
    where m."companyId" = $1 and m."entityType" = 'element' and m."entityId" = $2
        and (m."externalId" is not null or m.link is not null)
    limit tieline.limit_of('answer_bytes_max') / 66 + 1
), weighed as materialized (
    select tieline.fits(sum(66 + coalesce(octet_length(f."externalId"), 0) + coalesce(octet_length(f.address), 0)
        + coalesce(octet_length(f.link), octet_length(f.template), 0)), 'answer_bytes_max', 'bytes') as fits
    from found f
)
select coalesce((
    select json_agg(
        tieline.binding_json(f."externalId", tieline.binding_link(f.link, f.template, f."externalId"), f.address)
        order by f."createdAt", f.id
    )
    from found f
    where (select w.fits from weighed w)
), '[]')
from tieline.element where "companyId" = $1 and id = $2::bigint
