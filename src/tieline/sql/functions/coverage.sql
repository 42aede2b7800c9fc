-- As coverage_now. A company that was never counted, or whose table was emptied as a whole, is counted first.
create or replace function coverage(company text, entity_type text)
    returns table (
        "entityType" text, integration text, mappings bigint, entities bigint, known bigint, share double precision,
        "lastSyncedAt" jsonb, shared bigint, freshness jsonb, "position" bigint
    )
    language plpgsql as $$
#variable_conflict use_column
begin
    if not (select c."isCounted" from tieline.company c where c.id = company) then
        perform tieline.recount(company);
    end if;
    return query select c.* from tieline.coverage_now(company, entity_type) c;
end
$$;
