-- The links of each of these entities, which are distinct pairs, by their integration. An entity without a mapping has
-- no row, one with emptied mappings alone has no links. Each entity is looked up by itself, by the index that gives the
-- inner order (`=` instead of `between` would make the order void): for the plan see resolve. All links are weighed
-- before they are put together, each as often as its entity is asked for (`times`); no more mappings are read than an
-- answer may have bytes for.
create or replace function links_of(company text, entity_types text[], entity_ids text[], times bigint[])
    returns table ("entityType" text, "entityId" text, links jsonb)
    language plpgsql stable
    set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off as $$
#variable_conflict use_column
declare
    moment constant timestamptz := now();
    rows_max constant bigint := tieline.limit_of('answer_bytes_max') / 150 + 1;
begin
    return query
    with found as materialized (
        select a.type, a.id as entity, a.times, m.*, m."externalId" is not null or m.link is not null as is_linked,
            coalesce(s."linkTemplates" ->> a.type, s."linkTemplate") as template,
            coalesce(s.active, false) as is_current, s."staleAfterSeconds" as stale
        from unnest(entity_types, entity_ids, times) a (type, id, times)
        cross join lateral (
            select e.id, e.integration, e."externalId", e.link, e."lastSyncedAt", e."remoteUpdatedAt"
            from tieline."externalIntegrationMapping" e
            where e."companyId" = company and e."entityType" = a.type and e."entityId" between a.id and a.id
            order by e."entityId"
            offset 0
        ) m
        left join tieline."externalSystem" s on s."companyId" = company and s.integration = m.integration
        limit rows_max
    ), weighed as materialized (
        select tieline.fits(sum(f.times * (150 + octet_length(f.integration) + coalesce(octet_length(f."externalId"), 0)
            + coalesce(octet_length(f.link), octet_length(f.template), 0))), 'answer_bytes_max', 'bytes') as fits
        from found f
    )
    select f.type, f.entity, coalesce(jsonb_object_agg(f.integration, jsonb_build_object(
        'externalId', f."externalId",
        'link', case when f.template is null then f.link else tieline.binding_link(f.link, f.template, f."externalId") end,
        'mappingId', f.id, 'isCurrent', f.is_current,
        'freshness', tieline.freshness(f."lastSyncedAt", f."remoteUpdatedAt", f.stale, moment)
    )) filter (where f.is_linked), '{}')
    from found f
    where (select w.fits from weighed w)
    group by f.type, f.entity;
end
$$;
