-- The links of each of these entities, which are distinct pairs, by their integration. An entity without a mapping has
-- no row, one with emptied mappings alone has no links. Each entity is looked up by itself, by the index that gives the
-- inner order (`=` instead of `between` would make the order void): for the plan see resolve.
create or replace function links_of(company text, entity_types text[], entity_ids text[])
    returns table ("entityType" text, "entityId" text, links jsonb)
    language plpgsql stable set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off as $$
#variable_conflict use_column
declare
    moment constant timestamptz := now();
begin
    return query
    select a.type, a.id, found.links
    from unnest(entity_types, entity_ids) a (type, id)
    cross join lateral (
        select coalesce(jsonb_object_agg(m.integration, jsonb_build_object(
            'externalId', m."externalId",
            'link', case when s."linkTemplate" is null then m.link
                else tieline.binding_link(m.link, s."linkTemplate", m."externalId") end,
            'mappingId', m.id, 'isCurrent', coalesce(s.active, false),
            'freshness', tieline.freshness(m."lastSyncedAt", m."remoteUpdatedAt", s."staleAfterSeconds", moment)
        )) filter (where m."externalId" is not null or m.link is not null), '{}') as links, count(*) as mappings
        from (
            select e.* from tieline."externalIntegrationMapping" e
            where e."companyId" = company and e."entityType" = a.type and e."entityId" between a.id and a.id
            order by e."entityId"
            offset 0
        ) m
        left join tieline."externalSystem" s on s."companyId" = company and s.integration = m.integration
    ) found
    where found.mappings > 0;
end
$$;
