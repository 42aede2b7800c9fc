-- By how much the number of known entities of each type differs from the one in entityCount. The rows of mappingDelta
-- say how many mappings each entity has won or lost since, so from those that it has now follow those that it had.
create or replace function known_changes(company text) returns table ("entityType" text, change bigint)
    language plpgsql stable as $$
#variable_conflict use_column
declare
    moved record;
begin
    for moved in
        select m.type, array_agg(m.id) as ids, array_agg(m.net) as nets
        from (
            select s.type, s.id, sum(s.sign) as net
            from (
                select d."entityType" as type, unnest(d.entered) as id, 1 as sign
                from tieline."mappingDelta" d where d."companyId" = company
                union all
                select d."entityType", unnest(d.gone), -1 from tieline."mappingDelta" d where d."companyId" = company
            ) s
            group by s.type, s.id
            having sum(s.sign) <> 0
        ) m
        group by m.type
    loop
        "entityType" := moved.type;
        change := tieline.known_change(company, moved.type, moved.ids, moved.nets);
        return next;
    end loop;
end
$$;
