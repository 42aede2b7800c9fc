-- The oldest and the newest synchronisation of the linked mappings of a type in a system, and how many of them became
-- old within the hour of `old_before`. For the plan see resolve: one index alone gives this order.
create or replace function sync_times(company text, entity_type text, in_integration text, old_before timestamptz)
    returns table (oldest timestamptz, newest timestamptz, old bigint)
    language plpgsql stable set enable_sort = off set enable_seqscan = off set enable_bitmapscan = off as $$
begin
    select m."lastSyncedAt" into oldest from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m."entityType" = entity_type and m.integration = in_integration
        and m."lastSyncedAt" is not null and (m."externalId" is not null or m.link is not null)
    order by m."lastSyncedAt" limit 1;
    select m."lastSyncedAt" into newest from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m."entityType" = entity_type and m.integration = in_integration
        and m."lastSyncedAt" is not null and (m."externalId" is not null or m.link is not null)
    order by m."lastSyncedAt" desc limit 1;
    select count(*) into old
    from (
        select 1 from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m."entityType" = entity_type and m.integration = in_integration
            and m."lastSyncedAt" >= date_trunc('hour', old_before, 'UTC') and m."lastSyncedAt" < old_before
            and m."lastSyncedAt" is not null and (m."externalId" is not null or m.link is not null)
            and (m."remoteUpdatedAt" > m."lastSyncedAt") is not true
        order by m."lastSyncedAt"
        offset 0
    ) r;
    return next;
end
$$;
