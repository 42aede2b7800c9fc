-- Append the elements that a statement registered or deleted.
create or replace function note_entities(company text, entered text[], gone text[]) returns void
    language plpgsql as $$
begin
    if not exists (select 1 from tieline.company o where o.id = company) then
        return;
    end if;
    insert into tieline."mappingDelta" (
        "companyId", "entityType", "syncedHour", mappings, linked, shared, never, "remoteNewer", timely, entered, gone
    )
    values (company, 'element', '-infinity', 0, 0, 0, 0, 0, 0, entered, gone);
end
$$;
