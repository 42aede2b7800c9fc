create or replace function translation_json(entity_type text, entity_id text, external_id text, link text) returns jsonb
    language sql stable parallel safe as $$
    select jsonb_build_object('entityType', entity_type, 'entityId', entity_id, 'externalId', external_id, 'link', link)
$$;
