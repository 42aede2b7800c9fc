-- Check the rows that a statement inserted, and record a change for each. The rows are first gathered in arrays, by
-- company and in chunks: on Citus an insert cannot read the rows that its trigger is given. Images are in UTC, whatever
-- time zone a request asks for. The checks stand here and not before the rows are written: an upsert of a row that is
-- there, blank or not, inserts nothing.
create or replace function record_inserts() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
    company text;
    images jsonb[];
    integrations text[];
    unfit text;
begin
    for company, images, integrations, unfit in
        select n.company, array_agg(n.image), array_agg(distinct n.integration), min(n.unfit)
        from (
            select r."companyId" as company, to_jsonb(r) - 'externalIdReversed' as image, r.integration,
                tieline.unfit_column(r."entityType", r."entityId", r.integration, r."externalId", r.link) as unfit,
                row_number() over () / 10000 as chunk
            from new_rows r
        ) n
        group by n.company, n.chunk
        order by n.chunk
    loop
        perform tieline.require_fit(unfit);
        perform tieline.require_systems(company, variadic integrations);
        perform tieline.record_changes(company, null, images);
    end loop;
    return null;
end
$$;
