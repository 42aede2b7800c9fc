-- Refuse values of a mapping that are too large. A value that is there already does not stand in the way of others.
create or replace function bound_mapping() returns trigger language plpgsql as $$
declare
    -- An index entry has at most 2,704 bytes, and the index itself uses some of them.
    key_bytes_max constant integer := 2650;
begin
    if tg_op = 'INSERT' or new.metadata is distinct from old.metadata then
        perform tieline.check_json('metadata', new.metadata);
    end if;
    if tg_op = 'INSERT' or new.link is distinct from old.link then
        perform tieline.check_text('link', new.link);
    end if;
    if (
        tg_op = 'INSERT' or (new."entityType", new."entityId", new.integration, new."externalId", new.id)
            is distinct from (old."entityType", old."entityId", old.integration, old."externalId", old.id)
    ) and key_bytes_max < octet_length(new."companyId") + octet_length(new."entityType") + octet_length(new.integration)
        + greatest(octet_length(new."entityId"), octet_length(new."externalId"), octet_length(new.id))
    then
        -- As PostgreSQL says it of a key that does not become smaller by being compressed.
        raise program_limit_exceeded using message = format(
            'row size exceeds %s for index "externalIntegrationMapping_%s"', key_bytes_max, case
                greatest(octet_length(new."entityId"), octet_length(new."externalId"), octet_length(new.id))
                when octet_length(new."entityId") then 'entity_key'
                when octet_length(new."externalId") then 'externalId_key' else 'pkey' end
        );
    end if;
    return new;
end
$$;
