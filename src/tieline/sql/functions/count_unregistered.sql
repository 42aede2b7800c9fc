-- Note elements that a statement deleted: see count_registered.
create or replace function count_unregistered() returns trigger language plpgsql as $$
declare
    company text;
    ids text[];
begin
    for company, ids in select r."companyId", array_agg(r.id::text) from old_rows r group by r."companyId" loop
        perform tieline.note_entities(company, '{}', ids);
    end loop;
    return null;
end
$$;
