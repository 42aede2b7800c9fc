-- The number of known entities of each type as it stands now: what was folded, and what was not yet.
create or replace function known_now(company text) returns table ("entityType" text, known bigint)
    language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select k.type, sum(k.known)::bigint
    from (
        select c."entityType", c.known from tieline."entityCount" c where c."companyId" = company
        union all
        select * from tieline.known_changes(company)
    ) k (type, known)
    group by k.type
    having sum(k.known) <> 0;
end
$$;
