-- Insert, and when that met somebody, look who: the insert has waited for others' transactions to end, and each
-- statement in here sees what was committed before it. Who was met may be gone again, and then the place is free.
create or replace function claim(company text, entity_type text, entity_id text, in_integration text, external_id text)
    returns table (outcome text, mapping jsonb) language plpgsql as $$
declare
    attempts_max constant integer := 20;
begin
    for attempt in 1 .. attempts_max loop
        return query
            with made as (
                insert into tieline."externalIntegrationMapping" as m
                    ("companyId", "entityType", "entityId", integration, "externalId")
                values (company, entity_type, entity_id, in_integration, external_id)
                on conflict do nothing
                returning m.*
            )
            select 'created', to_jsonb(made) from made;
        if found then
            return;
        end if;
        return query
            select 'existing', to_jsonb(m) from tieline."externalIntegrationMapping" m
            where m."companyId" = company and m."entityType" = entity_type and m."entityId" = entity_id
                and m.integration = in_integration;
        if found then
            return;
        end if;
        return query
            select 'conflict', to_jsonb(m) from tieline."externalIntegrationMapping" m
            where m."companyId" = company and m.integration = in_integration and m."entityType" = entity_type
                and m."externalId" = external_id and not m."allowDuplicateExternalId";
        if found then
            return;
        end if;
    end loop;
    raise serialization_failure using message = 'The place was taken and left again at every attempt.';
end
$$;
