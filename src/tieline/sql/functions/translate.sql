-- `unlinked`: no entity with the id is linked in the other system. `ambiguous`: several entities share the id. For the
-- plan see resolve.
create or replace function translate(
    company text, from_integration text, to_integration text, entity_type text, external_ids json
)
    returns table ("externalId" text, status text, translations jsonb)
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
declare
    template constant text := (
        select s."linkTemplate" from tieline."externalSystem" s
        where s."companyId" = company and s.integration = to_integration
    );
begin
    return query
    with asked as materialized (
        select a.id, a.position from json_array_elements_text(external_ids) with ordinality a (id, position)
    ), found as materialized (
        select m."externalId", m."entityType", m."entityId" from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m.integration = from_integration
            and m."externalId" = any (array(select a.id from asked a))
            and (entity_type is null or m."entityType" = entity_type)
        order by m."externalId"
    ), there as materialized (
        select m."entityType", m."entityId", m.id, tieline.translation_json(
            m."entityType", m."entityId", m."externalId",
            case when template is null then m.link else tieline.binding_link(m.link, template, m."externalId") end
        ) as shown
        from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m.integration = to_integration
            and m."entityType" = any (array(select distinct f."entityType" from found f))
            and m."entityId" = any (array(select f."entityId" from found f))
            and (m."externalId" is not null or m.link is not null)
        order by m."entityType", m."entityId"
    ), several as materialized (
        select f."externalId", array_agg(t.shown order by t.id) filter (where t.id is not null) as shown
        from (select f."externalId" from found f group by f."externalId" having count(*) > 1) s
        join found f on f."externalId" = s."externalId"
        left join there t on t."entityType" = f."entityType" and t."entityId" = f."entityId"
        group by f."externalId"
    )
    select a.id,
        case when coalesce(f."externalId", s."externalId") is null then 'unknown'
            when t.id is not null then 'linked' when s.shown is not null then 'ambiguous' else 'unlinked' end,
        -- More translations would not fit into an answer.
        case when t.id is not null then jsonb_build_array(t.shown) else coalesce(to_jsonb(s.shown[:100]), '[]') end
    from asked a left join several s on s."externalId" = a.id
    left join found f on f."externalId" = a.id and s."externalId" is null
    left join there t on t."entityType" = f."entityType" and t."entityId" = f."entityId"
    order by a.position;
end
$$;

-- See resolve.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function translate (text, text, text, text, json) set enable_sort = off;
    end if;
end
$$;
