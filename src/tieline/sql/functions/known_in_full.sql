-- The number of known entities of each type, by reading all mappings and elements.
create or replace function known_in_full(company text) returns table ("entityType" text, known bigint)
    language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select k.type, count(*)
    from (
        select m."entityType" as type, m."entityId" as id
        from tieline."externalIntegrationMapping" m where m."companyId" = company
        union
        select 'element', e."entityId" from tieline.element e where e."companyId" = company
    ) k
    group by k.type;
end
$$;
