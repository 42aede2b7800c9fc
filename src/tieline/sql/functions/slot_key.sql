-- The advisory lock of the external ids of one entity type in one system. Writers of ids that are not shared hold it
-- shared; a writer that makes a mapping share its id holds it exclusively: no unique key decides between the two.
create or replace function slot_key(company text, integration text, entity_type text) returns bigint
    language sql immutable parallel safe as $$
    select hashtextextended(company || e'\x1f' || integration || e'\x1f' || entity_type, 0)
$$;
