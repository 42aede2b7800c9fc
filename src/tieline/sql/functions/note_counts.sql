-- Append what a statement changed of a company's counts, a row for each type, system and hour of synchronisation. A
-- company that is being deleted takes its mappings with it after its counts (see forget_counts).
create or replace function note_counts(company text, changes jsonb) returns void language plpgsql as $$
declare
    noted integer;
begin
    with written as (
        insert into tieline."mappingDelta" (
            "companyId", "entityType", integration, "syncedHour", mappings, linked, shared, never, "remoteNewer",
            timely, entered, gone
        )
        select company, c.*
        from jsonb_to_recordset(changes) c (
            "entityType" text, integration text, "syncedHour" timestamptz, mappings bigint, linked bigint,
            shared bigint, never bigint, "remoteNewer" bigint, timely bigint, entered text[], gone text[]
        )
        where exists (select 1 from tieline.company o where o.id = company)
            and ((c.mappings, c.linked, c.shared, c.never, c."remoteNewer", c.timely) <> (0, 0, 0, 0, 0, 0)
                or c.entered <> '{}' or c.gone <> '{}')
        returning 1
    )
    select count(*) into noted from written;
end
$$;
