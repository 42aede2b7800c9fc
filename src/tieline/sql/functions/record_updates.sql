create or replace function record_updates() returns trigger language plpgsql as $$
begin
    insert into tieline."mappingChange" ("companyId", "mappingId", operation, before, after, actor, "requestId")
    select coalesce(n."companyId", o."companyId"), coalesce(n.id, o.id),
        case when n.id is null then 'delete' when o.id is null then 'insert' else 'update' end,
        to_jsonb(o), to_jsonb(n),
        nullif(current_setting('tieline.actor', true), ''), nullif(current_setting('tieline.requestId', true), '')
    from old_rows o
    full join new_rows n on n."companyId" = o."companyId" and n.id = o.id
    where o is distinct from n;
    return null;
end
$$;
