-- Delete the counts of a company that is deleted.
create or replace function forget_counts() returns trigger language plpgsql as $$
declare
    gone record;
begin
    for gone in select o.id as company from old_rows o loop
        delete from tieline."mappingDelta" d where d."companyId" = gone.company;
        delete from tieline."mappingCount" c where c."companyId" = gone.company;
        delete from tieline."entityCount" c where c."companyId" = gone.company;
    end loop;
    return null;
end
$$;
