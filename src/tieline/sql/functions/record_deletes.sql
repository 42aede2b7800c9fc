create or replace function record_deletes() returns trigger language plpgsql as $$
begin
    insert into tieline."mappingChange" ("companyId", "mappingId", operation, before, actor, "requestId")
    select o."companyId", o.id, 'delete', to_jsonb(o),
        nullif(current_setting('tieline.actor', true), ''), nullif(current_setting('tieline.requestId', true), '')
    from old_rows o;
    return null;
end
$$;
