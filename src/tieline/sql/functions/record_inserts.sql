-- One insert for a statement, however many rows it wrote. A row that stayed as it was is no change. An id or a
-- company that was given anew makes another mapping: the old one is deleted, the new one inserted.
create or replace function record_inserts() returns trigger language plpgsql as $$
begin
    insert into tieline."mappingChange" ("companyId", "mappingId", operation, after, actor, "requestId")
    select n."companyId", n.id, 'insert', to_jsonb(n),
        nullif(current_setting('tieline.actor', true), ''), nullif(current_setting('tieline.requestId', true), '')
    from new_rows n;
    return null;
end
$$;
