-- Note what a statement changed of the counts: see count_inserts. Each row counts as one that went and one that came.
create or replace function count_updates() returns trigger language plpgsql as $$
declare
    company text;
    changes jsonb;
begin
    for company, changes in
        select c."companyId", jsonb_agg(to_jsonb(c))
        from (
            select r.company as "companyId", r.type as "entityType", r.integration, f."syncedHour",
                sum(r.sign) as mappings, sum(r.sign * f.linked) as linked, sum(r.sign * f.shared) as shared,
                sum(r.sign * f.never) as never, sum(r.sign * f."remoteNewer") as "remoteNewer",
                sum(r.sign * f.timely) as timely,
                coalesce(array_agg(r.entity) filter (where r.sign > 0 and r.has_moved), '{}') as entered,
                coalesce(array_agg(r.entity) filter (where r.sign < 0 and r.has_moved), '{}') as gone
            from (
                select x.*,
                    (o."companyId", o."entityType", o."entityId")
                        is distinct from (n."companyId", n."entityType", n."entityId") as has_moved
                from old_rows o
                full join new_rows n on n."companyId" = o."companyId" and n.id = o.id
                cross join lateral (values
                    (-1, o."companyId", o."entityType", o."entityId", o.integration, o."externalId", o.link,
                        o."allowDuplicateExternalId", o."lastSyncedAt", o."remoteUpdatedAt"),
                    (1, n."companyId", n."entityType", n."entityId", n.integration, n."externalId", n.link,
                        n."allowDuplicateExternalId", n."lastSyncedAt", n."remoteUpdatedAt")
                ) x (sign, company, type, entity, integration, external_id, link, is_shared, synced_at, remote)
                where o is distinct from n and x.company is not null
            ) r
            cross join lateral tieline.mapping_facts(r.external_id, r.link, r.is_shared, r.synced_at, r.remote) f
            group by r.company, r.type, r.integration, f."syncedHour"
        ) c
        group by c."companyId"
    loop
        perform tieline.note_counts(company, changes);
    end loop;
    return null;
end
$$;
