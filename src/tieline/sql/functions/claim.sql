-- Link an entity for the first time; of several callers at once one gets `created`. Each statement in here sees what
-- was committed before it. When the insert meets another row, it has waited for that row's transaction, so the next
-- attempt sees the row, or finds the place free if the row is gone again.
create or replace function claim(company text, entity_type text, entity_id text, in_integration text, external_id text)
    returns table (outcome text, mapping jsonb) language plpgsql set enable_sort = off as $$
declare
    attempts_max constant integer := 20;
begin
    perform tieline.require_systems(company, in_integration);
    perform pg_advisory_xact_lock_shared(tieline.slot_key(company, in_integration, entity_type));
    for attempt in 1 .. attempts_max loop
        return query
            select 'existing', tieline.shown(to_jsonb(m) - 'externalIdReversed')
            from tieline."externalIntegrationMapping" m
            where m."companyId" = company and m."entityType" = entity_type
                and m."entityId" between entity_id and entity_id and m.integration = in_integration
                and (m."externalId" is not null or m.link is not null)
            order by m."entityId" limit 1;
        if found then
            return;
        end if;
        -- Any holder, also one that shares the id: a claim is for one entity alone. How it is found: see find_holder.
        return query
            select 'conflict', tieline.shown(to_jsonb(m) - 'externalIdReversed')
            from tieline."externalIntegrationMapping" m
            where m."companyId" = company and m.integration = in_integration and m."entityType" = entity_type
                and m."externalId" between external_id and external_id and m."entityId" <> entity_id
            order by m."externalId" limit 1;
        if found then
            return;
        end if;
        begin
            return query
                with made as (
                    insert into tieline."externalIntegrationMapping" as m
                        ("companyId", "entityType", "entityId", integration, "externalId")
                    values (company, entity_type, entity_id, in_integration, external_id)
                    on conflict ("companyId", "entityType", "entityId", integration) do update set
                        "externalId" = excluded."externalId", "allowDuplicateExternalId" = false
                    where m."externalId" is null and m.link is null
                    returning m.*
                )
                select 'created', tieline.shown(to_jsonb(made) - 'externalIdReversed') from made;
            if found then
                return;
            end if;
        exception when unique_violation then
            -- Another entity got the id a moment ago; the next attempt names its mapping.
        end;
    end loop;
    raise serialization_failure using message = 'The place was taken and left again at every attempt.';
end
$$;
