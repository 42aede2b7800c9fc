-- The id of another entity that holds the external id, unless both mappings share their ids; null if there is none. The
-- lock holds until the end of the transaction, and the look comes after it: see slot_key.
-- Without statistics all indexes that begin with the company look alike to the planner. The order by one column, with
-- sorting off, is one that only the right index gives; equality instead of `between` would make that order void.
create or replace function find_holder(
    company text, in_integration text, entity_type text, entity_id text, external_id text
)
    returns text language plpgsql set enable_sort = off as $$
declare
    slot constant bigint := tieline.slot_key(company, in_integration, entity_type);
    is_shared boolean;
    own record;
begin
    select m."allowDuplicateExternalId" into is_shared from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m."entityType" = entity_type and m."entityId" between entity_id and entity_id
        and m.integration = in_integration
    order by m."entityId" limit 1;
    if is_shared then
        perform pg_advisory_xact_lock(slot);
    else
        perform pg_advisory_xact_lock_shared(slot);
    end if;
    select m."externalId", m."allowDuplicateExternalId" as "isShared" into own
    from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m."entityType" = entity_type and m."entityId" between entity_id and entity_id
        and m.integration = in_integration
    order by m."entityId" limit 1
    for update;
    if own."isShared" and not coalesce(is_shared, false) then
        raise serialization_failure using message = 'The mapping began to share its external id.';
    end if;
    if own."externalId" = external_id then
        return null;
    end if;
    return (
        select m."entityId" from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m.integration = in_integration and m."entityType" = entity_type
            and m."externalId" between external_id and external_id and m."entityId" <> entity_id
            and not (coalesce(own."isShared", false) and m."allowDuplicateExternalId")
        order by m."externalId" limit 1
    );
end
$$;
