-- The counts of a company as its mappings say, by reading them all.
create or replace function counts_in_full(company text)
    returns table (
        "entityType" text, integration text, "syncedHour" timestamptz, mappings bigint, linked bigint, shared bigint,
        never bigint, "remoteNewer" bigint, timely bigint
    )
    language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select m."entityType", m.integration, f."syncedHour", count(*), sum(f.linked), sum(f.shared), sum(f.never),
        sum(f."remoteNewer"), sum(f.timely)
    from tieline."externalIntegrationMapping" m
    cross join lateral tieline.mapping_facts(
        m."externalId", m.link, m."allowDuplicateExternalId", m."lastSyncedAt", m."remoteUpdatedAt"
    ) f
    where m."companyId" = company
    group by m."entityType", m.integration, f."syncedHour";
end
$$;
