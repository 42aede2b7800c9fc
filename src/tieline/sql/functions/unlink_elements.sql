-- An element takes its mappings along. Here and not in the statement that deletes: a link that was just being written
-- holds the element's row, and only a statement that starts after it sees the mapping.
create or replace function unlink_elements() returns trigger language plpgsql as $$
begin
    delete from tieline."externalIntegrationMapping" m using old_rows o
    where m."companyId" = o."companyId" and m."entityType" = 'element' and m."entityId" = o.id::text;
    return null;
end
$$;
