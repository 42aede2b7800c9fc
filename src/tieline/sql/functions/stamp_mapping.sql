-- The server sets the times and actors of a row, whatever the request gives. An import that restores rows sets
-- tieline.stamps to `given`, and then its own times and actors stay.
create or replace function stamp_mapping() returns trigger language plpgsql as $$
begin
    if current_setting('tieline.stamps', true) = 'given' then
        return new;
    end if;
    if tg_op = 'INSERT' then
        new."createdAt" := now();
        new."createdBy" := nullif(current_setting('tieline.actor', true), '');
        new."updatedAt" := new."createdAt";
        new."updatedBy" := new."createdBy";
        return new;
    end if;
    new."createdAt" := old."createdAt";
    new."createdBy" := old."createdBy";
    new."updatedAt" := old."updatedAt";
    new."updatedBy" := old."updatedBy";
    -- PostgreSQL makes the reversed id only after this trigger.
    new."externalIdReversed" := old."externalIdReversed";
    if new is distinct from old then
        new."updatedAt" := now();
        new."updatedBy" := nullif(current_setting('tieline.actor', true), '');
    end if;
    return new;
end
$$;
