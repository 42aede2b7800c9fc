-- `unlinked`: no entity with the id is linked in the other system. `ambiguous`: several entities share the id. For the
-- plan, and for what is weighed, see resolve.
create or replace function translate(
    company text, from_integration text, to_integration text, entity_type text, external_ids json
)
    returns table ("externalId" text, status text, translations jsonb) language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
declare
    ids constant integer := json_array_length(external_ids);
    bytes constant bigint := octet_length(external_ids::text);
begin
    perform tieline.require_systems(company, from_integration, to_integration);
    return query
    with asked as materialized (
        select a.id, a.position from json_array_elements_text(external_ids) with ordinality a (id, position)
    ), found as materialized (
        select * from tieline.holders_of(company, from_integration, entity_type, external_ids)
    ), there as materialized (
        select * from tieline.translations_of(company, to_integration, array(
            select distinct f."entityType" from found f
        ), array(select f."entityId" from found f))
    ), shared as materialized (
        select f."externalId", least(count(*), 100) as shown from found f group by f."externalId" having count(*) > 1
    ), checked as materialized (
        select tieline.fits(sum(s.shown), 'candidates_max', 'entities that share an id') and (
            (ids + coalesce(sum(s.shown), 0)) * (select max(pg_column_size(t.shown)) from there t) + bytes
                <= tieline.limit_of('answer_bytes_max')
            or tieline.fits((
                select sum(pg_column_size(t.shown)) from asked b join found f on f."externalId" = b.id
                join there t on t."entityType" = f."entityType" and t."entityId" = f."entityId"
            ), 'answer_bytes_max', 'bytes', bytes)
        ) is not false as fits
        from asked a join shared s on s."externalId" = a.id
    ), several as materialized (
        select f."externalId", array_agg(t.shown order by t.id) filter (where t.id is not null) as shown
        from shared s join found f on f."externalId" = s."externalId"
        left join there t on t."entityType" = f."entityType" and t."entityId" = f."entityId"
        where (select c.fits from checked c)
        group by f."externalId"
    )
    select a.id, case when coalesce(f."externalId", s."externalId") is null then 'unknown'
            when t.id is not null then 'linked' when s.shown is not null then 'ambiguous' else 'unlinked' end,
        -- More translations would not fit into an answer.
        case when t.id is not null then jsonb_build_array(t.shown) else coalesce(to_jsonb(s.shown[:100]), '[]') end
    from asked a left join several s on s."externalId" = a.id
    left join found f on f."externalId" = a.id and s."externalId" is null
    left join there t on t."entityType" = f."entityType" and t."entityId" = f."entityId"
    where (select c.fits from checked c)
    order by a.position;
end
$$;

-- See holders_of.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function translate (text, text, text, text, json) set enable_sort = off;
    end if;
end
$$;
