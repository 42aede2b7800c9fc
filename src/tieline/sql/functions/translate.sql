-- Look-ups take the ids as one set, which is one scan of the index, and put the answers beside the questions by
-- hashing. Plans must be right without statistics, and stay so while the table grows from nothing: a nested loop would
-- compare each id with every other, so there is none; and an order that one index alone gives, with sorting off (see
-- the end), makes that index the look-up's, where a guess takes all for alike.
-- Unlinked only when no entity that may be meant has anything over there; ambiguous when several may be meant.
create or replace function translate(
    company text, from_integration text, to_integration text, entity_type text, external_ids json
)
    returns table ("externalId" text, status text, translations jsonb)
    language sql stable set enable_nestloop = off as $$
with asked as materialized (
    select a.id, a.position from json_array_elements_text(external_ids) with ordinality a (id, position)
), found as materialized (
    select m."externalId", m."entityType", m."entityId"
    from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m.integration = from_integration
        and m."externalId" = any (array(select a.id from asked a))
        and (entity_type is null or m."entityType" = entity_type)
    order by m."externalId"
), template as materialized (
    select s."linkTemplate" as template from tieline."externalSystem" s
    where s."companyId" = company and s.integration = to_integration
), there as materialized (
    select m."entityType", m."entityId", m."externalId", m.id,
        case when (select t.template from template t) is null then m.link
            else tieline.binding_link(m.link, (select t.template from template t), m."externalId") end as link
    from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m.integration = to_integration
        and m."entityType" = any (array(select distinct f."entityType" from found f))
        and m."entityId" = any (array(select f."entityId" from found f))
    order by m."entityType", m."entityId"
), known as materialized (
    select f."externalId", count(*) as entities, min(f."entityType") as "entityType", min(f."entityId") as "entityId"
    from found f
    group by f."externalId"
), several as (
    select f."externalId", jsonb_agg(
        jsonb_build_object(
            'entityType', f."entityType", 'entityId', f."entityId", 'externalId', f.translation, 'link', f.link
        )
        order by f.place
    ) as translations
    from (
        select f.*, t."externalId" as translation, t.link,
            row_number() over (partition by f."externalId" order by t.id) as place
        from found f
        join known k on k."externalId" = f."externalId"
        join there t on t."entityType" = f."entityType" and t."entityId" = f."entityId"
        where k.entities > 1
    ) f
    where f.place <= 100
    group by f."externalId"
)
select a.id,
    case
        when k.entities is null then 'unknown'
        when k.entities = 1 and t.id is not null then 'linked'
        when s.translations is not null then 'ambiguous'
        else 'unlinked'
    end,
    case
        when k.entities = 1 and t.id is not null then jsonb_build_array(jsonb_build_object(
            'entityType', t."entityType", 'entityId', t."entityId", 'externalId', t."externalId", 'link', t.link
        ))
        else coalesce(s.translations, '[]')
    end
from asked a
left join known k on k."externalId" = a.id
left join there t on t."entityType" = k."entityType" and t."entityId" = k."entityId" and k.entities = 1
left join several s on s."externalId" = a.id
order by a.position
$$;

-- Before 17 a scan for a set of values gives no order, and without sorting the whole group would be read.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function translate (text, text, text, text, json) set enable_sort = off;
    end if;
end
$$;
