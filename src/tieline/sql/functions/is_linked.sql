-- The entity is linked in this system: its mapping has an external id or a link. For the plan see resolve.
create or replace function is_linked(company text, entity_type text, entity_id text, in_integration text)
    returns boolean language plpgsql stable set enable_nestloop = on set enable_sort = off as $$
begin
    return (
        select true from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m."entityType" = entity_type
            and m."entityId" between entity_id and entity_id and m.integration = in_integration
            and (m."externalId" is not null or m.link is not null)
        order by m."entityId" limit 1
    ) is true;
end
$$;
