-- The links of entities in all systems: by the entities, or by their external ids in one system.
create or replace function crosswalk(
    company text, entity_type text, entity_ids json, from_integration text, external_ids json
)
    returns table (
        "externalId" text, "entityType" text, "entityId" text, status text, links jsonb, candidates jsonb
    )
    language plpgsql stable as $$
#variable_conflict use_column
begin
    if entity_ids is null then
        perform tieline.require_systems(company, from_integration);
        return query select c.*
        from tieline.crosswalk_of_ids(company, from_integration, external_ids, entity_type) c;
    else
        return query select null::text, entity_type, c."entityId", c.status, c.links, '[]'::jsonb
        from tieline.crosswalk_of_entities(company, entity_type, entity_ids) c;
    end if;
end
$$;
