-- The advisory lock of the external ids of one entity type in one system. Writers of ids that are not shared hold it
-- shared; a writer that makes a mapping share its id holds it exclusively: no unique key decides between the two.
-- A company has 64 of these locks, so that a batch of ten thousand systems and types does not fill the table of locks.
create or replace function slot_key(company text, integration text, entity_type text) returns bigint
    language sql immutable parallel safe as $$
    select (hashtextextended(company, 0) & ~63::bigint) | (hashtextextended(integration || e'\x1f' || entity_type, 0) & 63)
$$;
