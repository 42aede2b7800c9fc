-- Add the rows of mappingDelta up in the counts. One fold at a time; a transaction without the lock leaves them to the
-- next. Everything is read in one statement, so that the mappings and the rows about them are of one moment. The sums
-- are exact, whichever transaction folds: a reader sees either the rows or what they have become.
create or replace function fold_counts(company text) returns void language plpgsql as $$
declare
    folded integer;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('tieline counts ' || company, 0)) then
        return;
    end if;
    with taken as (
        delete from tieline."mappingDelta" d where d."companyId" = company returning *
    ), counted as (
        insert into tieline."mappingCount" as c
        select company, t."entityType", t.integration, t."syncedHour", sum(t.mappings), sum(t.linked), sum(t.shared),
            sum(t.never), sum(t."remoteNewer"), sum(t.timely)
        from taken t
        where t.integration is not null
        group by t."entityType", t.integration, t."syncedHour"
        on conflict ("companyId", "entityType", integration, "syncedHour") do update set
            mappings = c.mappings + excluded.mappings, linked = c.linked + excluded.linked,
            shared = c.shared + excluded.shared, never = c.never + excluded.never,
            "remoteNewer" = c."remoteNewer" + excluded."remoteNewer", timely = c.timely + excluded.timely
        returning 1
    ), known as (
        insert into tieline."entityCount" as c
        select company, k."entityType", k.change from tieline.known_changes(company) k where k.change <> 0
        on conflict ("companyId", "entityType") do update set known = c.known + excluded.known
        returning 1
    )
    select (select count(*) from counted) + (select count(*) from known) into folded;
    delete from tieline."mappingCount" c
    where c."companyId" = company and c.mappings = 0 and (c.linked, c.shared, c.never, c."remoteNewer", c.timely)
        = (0, 0, 0, 0, 0);
end
$$;
