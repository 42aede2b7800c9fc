-- Make a company's counts anew, beside writers that go on: what the one statement does not see stays in mappingDelta.
create or replace function recount(company text) returns void language plpgsql as $$
declare
    made integer;
begin
    perform pg_advisory_xact_lock(hashtextextended('tieline counts ' || company, 0));
    delete from tieline."mappingCount" c where c."companyId" = company;
    delete from tieline."entityCount" c where c."companyId" = company;
    with seen as (
        delete from tieline."mappingDelta" d where d."companyId" = company returning 1
    ), counted as (
        insert into tieline."mappingCount" select company, c.* from tieline.counts_in_full(company) c returning 1
    ), known as (
        insert into tieline."entityCount" select company, k.* from tieline.known_in_full(company) k returning 1
    )
    select count(*) into made from counted;
    update tieline.company c set "isCounted" = true where c.id = company;
end
$$;
