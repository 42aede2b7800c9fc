-- See known_changes: for the entities of a type with what each has won of mappings, or lost. For the plan see resolve.
create or replace function known_change(company text, entity_type text, entity_ids text[], nets bigint[])
    returns bigint language plpgsql stable set enable_nestloop = off as $$
begin
    return (
        with there as (
            select m."entityId" as id, count(*) as mappings
            from tieline."externalIntegrationMapping" m
            where m."companyId" = company and m."entityType" = entity_type and m."entityId" = any (entity_ids)
            group by m."entityId"
            order by m."entityId"
        ), registered as (
            select e."entityId" as id from tieline.element e
            where e."companyId" = company and entity_type = 'element' and e."entityId" = any (entity_ids)
            order by e."entityId"
        )
        select sum((e.mappings > 0)::integer - (e.mappings - e.net > 0)::integer)
        from (
            select v.net, coalesce(t.mappings, 0) + (r.id is not null)::integer as mappings
            from unnest(entity_ids, nets) v (id, net)
            left join there t on t.id = v.id
            left join registered r on r.id = v.id
        ) e
    );
end
$$;

-- See resolve.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function known_change (text, text, text[], bigint[]) set enable_sort = off;
    end if;
end
$$;
