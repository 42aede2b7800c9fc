-- All systems at once for entities of a type, in the order asked. `unlinked`: the entity is known, mapped or registered,
-- and has no link.
create or replace function crosswalk_of_entities(company text, entity_type text, entity_ids json)
    returns table ("entityId" text, status text, links jsonb)
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
begin
    return query
    with asked as materialized (
        select a.id, a.position from json_array_elements_text(entity_ids) with ordinality a (id, position)
    ), once as materialized (
        select array_agg(o.id) as ids, array_agg(o.times) as times
        from (select a.id, count(*) as times from asked a group by a.id) o
    ), found as materialized (
        select l."entityId", l.links
        from once o
        cross join lateral tieline.links_of(
            company, array_fill(entity_type, array[coalesce(cardinality(o.ids), 0)]), o.ids, o.times
        ) l
    ), registered as materialized (
        select e."entityId" from tieline.element e
        where e."companyId" = company and entity_type = 'element'
            and e."entityId" = any (array(select unnest(o.ids) from once o))
        order by e."entityId"
    )
    select a.id, case when f.links <> '{}' then 'linked' when f."entityId" is not null or r."entityId" is not null
        then 'unlinked' else 'unknown' end, coalesce(f.links, '{}')
    from asked a left join found f on f."entityId" = a.id left join registered r on r."entityId" = a.id
    order by a.position;
end
$$;
