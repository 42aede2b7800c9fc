-- $2: the element; $3: the system's address, null when left out; $4, $6: whether $5 (the external id) and $7 (the link)
-- are given. Nothing is written unless element and system are there. The element's row is held, so that it cannot be
-- deleted between.
with target as (
    select * from tieline.target_system($1, $3)
), found as (
    select id from tieline.element where "companyId" = $1 and id = $2::text::bigint for key share
), written as (
    insert into tieline."externalIntegrationMapping" as m
        ("companyId", "entityType", "entityId", integration, "externalId", link)
    select $1, 'element', $2, t.integration, $5, $7 from target t, found
    on conflict ("companyId", "entityType", "entityId", integration) do update set
        "externalId" = case when $4::bool then excluded."externalId" else m."externalId" end,
        link = case when $6::bool then excluded.link else m.link end
    returning *, "externalId" is null and link is null
        and tieline.refuse('TL001', 'Neither an externalId nor a link would be left.')
)
select
    (select json_agg(tieline.binding_json(
        w."externalId", tieline.binding_link(w.link, t."linkTemplate", w."externalId"), t."systemUrl"
    )) -> 0 from written w, target t),
    exists (select from found),
    exists (select from target),
    tieline.active_systems($1)
