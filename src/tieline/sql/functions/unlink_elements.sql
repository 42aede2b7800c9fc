-- Delete the mappings of deleted elements. In a trigger and not in the statement that deletes: a link that is being
-- written holds the element's row, and only a statement that starts after it sees its mapping.
create or replace function unlink_elements() returns trigger language plpgsql as $$
declare
    deleted record;
begin
    for deleted in select o."companyId" as company, array_agg(o.id::text) as ids from old_rows o group by o."companyId"
    loop
        delete from tieline."externalIntegrationMapping" m
        where m."companyId" = deleted.company and m."entityType" = 'element' and m."entityId" = any (deleted.ids);
    end loop;
    return null;
end
$$;
