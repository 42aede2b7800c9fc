-- The entities of a type with mappings in other systems alone, from `low` on, up to `high` if it is given. For the plan
-- see unlinked: the index is read in its order and no further than `rows_max` entities (null: all) need; one more, as
-- the first may be the last of the page before.
create or replace function mapped_elsewhere(
    company text, entity_type text, in_integration text, linked_in text, low text, high text, rows_max integer
)
    returns table (id text)
    language plpgsql stable set enable_sort = off set enable_hashagg = off set enable_seqscan = off
    set enable_bitmapscan = off as $$
begin
    if high is null then
        return query
        select m."entityId" from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m."entityType" = entity_type and m."entityId" >= low
        group by m."entityId"
        having not bool_or(m.integration = in_integration)
            and (linked_in is null or bool_or(m.integration = linked_in)
                and tieline.is_linked(company, entity_type, min(m."entityId"), linked_in))
        order by m."entityId" limit rows_max + 1;
    else
        return query
        select m."entityId" from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m."entityType" = entity_type and m."entityId" >= low
            and m."entityId" <= high
        group by m."entityId"
        having not bool_or(m.integration = in_integration)
            and (linked_in is null or bool_or(m.integration = linked_in)
                and tieline.is_linked(company, entity_type, min(m."entityId"), linked_in))
        order by m."entityId" limit rows_max + 1;
    end if;
end
$$;
