-- Plans must be right without statistics, also while the table grows from nothing. Nested loops are off: they would
-- compare each id with every other. All answers together are weighed before they are made: only if the largest entity
-- would be too much for each of them, all are added up. An id that is asked for again is found and put together once.
-- More than 100 candidates of an id would not fit into an answer.
create or replace function resolve(company text, from_integration text, entity_type text, external_ids json)
    returns table (
        "externalId" text, status text, "entityType" text, "entityId" text, "mappingId" text, candidates jsonb
    )
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
declare
    ids constant integer := json_array_length(external_ids);
    bytes constant bigint := octet_length(external_ids::text);
begin
    perform tieline.require_systems(company, from_integration);
    return query
    with asked as materialized (
        select a.id, a.position from json_array_elements_text(external_ids) with ordinality a (id, position)
    ), found as materialized (
        select * from tieline.holders_of(company, from_integration, entity_type, external_ids)
    ), shared as materialized (
        select f."externalId", least(count(*), 100) as shown from found f group by f."externalId" having count(*) > 1
    ), checked as materialized (
        select tieline.fits(sum(s.shown), 'candidates_max', 'entities that share an id') and (
            (ids + coalesce(sum(s.shown), 0)) * (
                select 150 + max(octet_length(f."entityType") + octet_length(f."entityId")) from found f
            ) + bytes <= tieline.limit_of('answer_bytes_max') or tieline.fits((
                select sum(150 + octet_length(f."entityType") + octet_length(f."entityId"))
                from asked b join found f on f."externalId" = b.id
            ), 'answer_bytes_max', 'bytes', bytes)
        ) is not false as fits
        from asked a join shared s on s."externalId" = a.id
    ), several as (
        select f."externalId", jsonb_agg(
            jsonb_build_object('entityType', f."entityType", 'entityId', f."entityId", 'mappingId', f.id)
            order by f.place
        ) as candidates
        from (
            select f.*, row_number() over (partition by f."externalId" order by f.id) as place
            from found f join shared s on s."externalId" = f."externalId"
            where (select c.fits from checked c)
        ) f where f.place <= 100
        group by f."externalId"
    )
    select a.id,
        case when s."externalId" is not null then 'ambiguous' when f.id is null then 'unknown' else 'linked' end,
        f."entityType", f."entityId", f.id, coalesce(s.candidates, '[]')
    from asked a
    left join several s on s."externalId" = a.id
    left join found f on f."externalId" = a.id and s."externalId" is null
    where (select c.fits from checked c)
    order by a.position;
end
$$;

-- See holders_of.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function resolve (text, text, text, json) set enable_sort = off;
    end if;
end
$$;
