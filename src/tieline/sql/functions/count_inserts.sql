-- Note what a statement added to the counts. The rows are first gathered as JSON: see record_inserts.
create or replace function count_inserts() returns trigger language plpgsql as $$
declare
    company text;
    changes jsonb;
begin
    for company, changes in
        select c."companyId", jsonb_agg(to_jsonb(c))
        from (
            select r."companyId", r."entityType", r.integration, f."syncedHour", count(*) as mappings,
                sum(f.linked) as linked, sum(f.shared) as shared, sum(f.never) as never,
                sum(f."remoteNewer") as "remoteNewer", sum(f.timely) as timely,
                array_agg(r."entityId") as entered, '{}'::text[] as gone
            from new_rows r
            cross join lateral tieline.mapping_facts(
                r."externalId", r.link, r."allowDuplicateExternalId", r."lastSyncedAt", r."remoteUpdatedAt"
            ) f
            group by r."companyId", r."entityType", r.integration, f."syncedHour"
        ) c
        group by c."companyId"
    loop
        perform tieline.note_counts(company, changes);
    end loop;
    return null;
end
$$;
