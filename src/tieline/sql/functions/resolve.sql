-- All ids are looked up in one scan of the index and joined with the rows that were found by hashing.
-- Plans must be right without statistics, also while the table grows from nothing. Nested loops are off: they would
-- compare each id with every other. Sorting is off (see the end), so that the order by the external id leads to the one
-- index that gives it: without statistics all indexes look alike to the planner.
create or replace function resolve(company text, from_integration text, entity_type text, external_ids json)
    returns table (
        "externalId" text, status text, "entityType" text, "entityId" text, "mappingId" text, candidates jsonb
    )
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
begin
    return query
    with asked as materialized (
        select a.id, a.position from json_array_elements_text(external_ids) with ordinality a (id, position)
    ), found as materialized (
        select m."externalId", m."entityType", m."entityId", m.id
        from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m.integration = from_integration
            and m."externalId" = any (array(select a.id from asked a))
            and (entity_type is null or m."entityType" = entity_type)
        order by m."externalId"
    ), shared as materialized (
        select f."externalId" from found f group by f."externalId" having count(*) > 1
    ), several as (
        select f."externalId", jsonb_agg(
            jsonb_build_object('entityType', f."entityType", 'entityId', f."entityId", 'mappingId', f.id)
            order by f.place
        ) as candidates
        from (
            select f.*, row_number() over (partition by f."externalId" order by f.id) as place
            from found f join shared s on s."externalId" = f."externalId"
        ) f
        -- More candidates would not fit into an answer.
        where f.place <= 100
        group by f."externalId"
    )
    select a.id,
        case when s."externalId" is not null then 'ambiguous' when f.id is null then 'unknown' else 'linked' end,
        f."entityType", f."entityId", f.id, coalesce(s.candidates, '[]')
    from asked a
    left join several s on s."externalId" = a.id
    left join found f on f."externalId" = a.id and s."externalId" is null
    order by a.position;
end
$$;

-- Before PostgreSQL 17 a scan for a set of values gives no order, so without sorting it would read the whole system.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function resolve (text, text, text, json) set enable_sort = off;
    end if;
end
$$;
