-- The number of known entities of each type that are linked in each system, and the freshness of their mappings. All is
-- read at one moment. The hours before the one in which mappings become old are counted; in that hour itself an index is
-- read.
create or replace function coverage_now(company text, entity_type text)
    returns table (
        "entityType" text, integration text, mappings bigint, entities bigint, known bigint, share double precision,
        "lastSyncedAt" jsonb, shared bigint, freshness jsonb, "position" bigint
    )
    language plpgsql stable set enable_sort = off as $$
#variable_conflict use_column
declare
    moment constant timestamptz := now();
begin
    return query
    with hours as materialized (
        select c.*, moment - make_interval(secs => s."staleAfterSeconds") as old_before
        from tieline.counts(company, entity_type) c
        left join tieline."externalSystem" s on s."companyId" = company and s.integration = c.integration
    ), pairs as materialized (
        select h."entityType", h.integration, h.old_before, sum(h.mappings)::bigint as mappings,
            sum(h.linked)::bigint as linked, sum(h.shared)::bigint as shared, sum(h.never)::bigint as never,
            sum(h."remoteNewer")::bigint as remote, sum(h.timely)::bigint as timely,
            coalesce(sum(h.timely) filter (
                where h."syncedHour" < date_trunc('hour', h.old_before, 'UTC')
            ), 0)::bigint as old
        from hours h
        group by h."entityType", h.integration, h.old_before
    )
    select p."entityType", p.integration, p.mappings, p.linked, k.known, p.linked::double precision / k.known,
        jsonb_build_object('oldest', t.oldest, 'newest', t.newest), p.shared,
        jsonb_build_object('never', p.never, 'remoteNewer', p.remote, 'old', p.old + t.old,
            'current', p.timely - p.old - t.old),
        (select max(c.position) from tieline."mappingChange" c where c."companyId" = company)
    from pairs p
    join tieline.known_now(company) k on k."entityType" = p."entityType"
    cross join lateral tieline.sync_times(company, p."entityType", p.integration, p.old_before) t
    order by p."entityType", p.integration;
end
$$;
