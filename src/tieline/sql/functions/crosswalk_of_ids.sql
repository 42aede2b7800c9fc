-- All systems at once for the entities of external ids, in the order asked. An id that several entities share is
-- `ambiguous`, with the first 100 of them: see resolve.
create or replace function crosswalk_of_ids(company text, from_integration text, external_ids json, entity_type text)
    returns table (
        "externalId" text, "entityType" text, "entityId" text, status text, links jsonb, candidates jsonb
    )
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
begin
    return query
    with resolved as materialized (
        select r.*, row_number() over () as position
        from tieline.resolve(company, from_integration, entity_type, external_ids) r
    ), once as materialized (
        select array_agg(o."entityType") as types, array_agg(o."entityId") as ids, array_agg(o.times) as times
        from (
            select r."entityType", r."entityId", count(*) as times from resolved r where r.status = 'linked'
            group by r."entityType", r."entityId"
        ) o
    ), found as materialized (
        select l.* from once o
        cross join lateral tieline.links_of(company, o.types, o.ids, o.times) l
    )
    select r."externalId", r."entityType", r."entityId", r.status, coalesce(f.links, '{}'), r.candidates
    from resolved r
    left join found f on f."entityType" = r."entityType" and f."entityId" = r."entityId"
    order by r.position;
end
$$;
