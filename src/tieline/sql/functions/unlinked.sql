-- The known entities of a type that are not linked in a system, by their ids, from behind `after` on, `rows_max` at the
-- most (null: all). First those with an emptied mapping there and registered elements without one; then entities that
-- are mapped in other systems alone, which are read no further than the others fill the page.
create or replace function unlinked(
    company text, entity_type text, in_integration text, linked_in text, after text, rows_max integer
)
    returns table ("entityType" text, "entityId" text)
    language plpgsql stable set enable_sort = off set enable_hashjoin = off set enable_nestloop = off
    set enable_seqscan = off set enable_bitmapscan = off as $$
#variable_conflict use_column
declare
    -- A comparison with an expression instead of a value would use no index under row-level security.
    low constant text := coalesce(after, '');
    others text[];
    high text;
begin
    perform tieline.require_systems(company, in_integration, coalesce(linked_in, in_integration));
    others := array(
        select m."entityId" from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m."entityType" = entity_type and m.integration = in_integration
            and m."entityId" >= low and m."entityId" is distinct from after
            and m."externalId" is null and m.link is null
            and (linked_in is null or tieline.is_linked(company, entity_type, m."entityId", linked_in))
        order by m."entityId" limit rows_max
    );
    if entity_type = 'element' and linked_in is null then
        others := others || array(
            select e."entityId" from tieline.element e
            left join tieline."externalIntegrationMapping" m on m."companyId" = company and m."entityType" = 'element'
                and m."entityId" = e."entityId" and m.integration = in_integration and m."entityId" >= low
            where e."companyId" = company and e."entityId" >= low and e."entityId" is distinct from after
                and m.id is null
            order by e."entityId" limit rows_max
        );
    end if;
    if cardinality(others) >= rows_max and rows_max > 0 then
        high := (
            select o.id from (select distinct x.id from unnest(others) x (id)) o
            order by o.id offset rows_max - 1 limit 1
        );
    end if;
    return query
    select entity_type, u.id from (
        select o.id from unnest(others) o (id)
        union
        select m.id from tieline.mapped_elsewhere(company, entity_type, in_integration, linked_in, low, high, rows_max) m
        where m.id is distinct from after
    ) u (id)
    order by u.id limit rows_max;
end
$$;
