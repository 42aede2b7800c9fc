-- Note elements that a statement registered: each counts as a mapping of its entity without an integration.
create or replace function count_registered() returns trigger language plpgsql as $$
declare
    company text;
    ids text[];
begin
    for company, ids in select r."companyId", array_agg(r.id::text) from new_rows r group by r."companyId" loop
        perform tieline.note_entities(company, ids, '{}');
    end loop;
    return null;
end
$$;
