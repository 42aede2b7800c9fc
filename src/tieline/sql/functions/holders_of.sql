-- The mappings with one of these external ids, for functions that look up many at a time: all ids are looked up in one
-- scan of the index. Sorting is off (see the end), so that the order by the external id leads to the one index that
-- gives it: without statistics all indexes look alike to the planner.
-- Beside one for each id, there are at most candidates_max; the statement ends with a problem if there are more.
create or replace function holders_of(company text, in_integration text, entity_type text, external_ids json)
    returns table ("externalId" text, "entityType" text, "entityId" text, id text, link text)
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
declare
    ids constant integer := json_array_length(external_ids);
    rows_max constant bigint := ids + tieline.limit_of('candidates_max');
    found_count bigint;
begin
    return query
    select m."externalId", m."entityType", m."entityId", m.id, m.link
    from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m.integration = in_integration
        and m."externalId" = any (array(select a.id from json_array_elements_text(external_ids) a (id)))
        and (entity_type is null or m."entityType" = entity_type)
    order by m."externalId"
    limit rows_max + 1;
    get diagnostics found_count = row_count;
    perform tieline.fits(found_count - ids, 'candidates_max', 'entities that share an id');
end
$$;

-- Before PostgreSQL 17 a scan for a set of values gives no order, so without sorting it would read the whole system.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function holders_of (text, text, text, json) set enable_sort = off;
    end if;
end
$$;
