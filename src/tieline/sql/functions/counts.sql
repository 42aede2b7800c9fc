-- The counts of a company as they stand now: what was folded, and what was not yet.
create or replace function counts(company text, entity_type text)
    returns table (
        "entityType" text, integration text, "syncedHour" timestamptz, mappings bigint, linked bigint, shared bigint,
        never bigint, "remoteNewer" bigint, timely bigint
    )
    language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select s.type, s.system, s.hour, sum(s.mappings)::bigint, sum(s.linked)::bigint, sum(s.shared)::bigint,
        sum(s.never)::bigint, sum(s.remote)::bigint, sum(s.timely)::bigint
    from (
        select c."entityType", c.integration, c."syncedHour", c.mappings, c.linked, c.shared, c.never,
            c."remoteNewer", c.timely
        from tieline."mappingCount" c
        where c."companyId" = company
        union all
        select d."entityType", d.integration, d."syncedHour", d.mappings, d.linked, d.shared, d.never,
            d."remoteNewer", d.timely
        from tieline."mappingDelta" d
        where d."companyId" = company and d.integration is not null
    ) s (type, system, hour, mappings, linked, shared, never, remote, timely)
    where entity_type is null or s.type = entity_type
    group by s.type, s.system, s.hour
    having sum(s.mappings) <> 0 or sum(s.linked) <> 0;
end
$$;
