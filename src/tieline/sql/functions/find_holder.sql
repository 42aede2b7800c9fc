-- The entity that keeps another one from an external id, if there is one: any other holder, unless both mappings share
-- their ids. The lock holds until the end of the transaction, and the look comes after it: see slot_key.
create or replace function find_holder(
    company text, in_integration text, entity_type text, entity_id text, external_id text
)
    returns text language plpgsql as $$
declare
    slot constant bigint := tieline.slot_key(company, in_integration, entity_type);
    is_shared constant boolean := exists (
        select 1 from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m."entityType" = entity_type and m."entityId" = entity_id
            and m.integration = in_integration and m."allowDuplicateExternalId"
    );
    own record;
begin
    if is_shared then
        perform pg_advisory_xact_lock(slot);
    else
        perform pg_advisory_xact_lock_shared(slot);
    end if;
    select m."externalId", m."allowDuplicateExternalId" as "isShared" into own
    from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m."entityType" = entity_type and m."entityId" = entity_id
        and m.integration = in_integration
    for update;
    if own."isShared" <> is_shared then
        raise serialization_failure using message = 'The mapping began or ceased to share its external id.';
    end if;
    if own."externalId" = external_id then
        return null;
    end if;
    return (
        select m."entityId" from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m.integration = in_integration and m."entityType" = entity_type
            and m."externalId" = external_id and m."entityId" <> entity_id
            and not (is_shared and m."allowDuplicateExternalId")
        order by m.id
        limit 1
    );
end
$$;
