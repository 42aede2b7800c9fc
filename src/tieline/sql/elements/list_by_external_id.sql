-- $4: the external id; $5: the address of its system, null for any.
-- Any system means each that the company has mappings in, found by a step through the index for each: to skip over it
-- by itself is what PostgreSQL learned with version 18.
with recursive integrations as (
    select min(a.integration) as name from tieline."externalIntegrationMapping" a
    where $5::text is null and a."companyId" = $1
    union all
    select (
        select min(a.integration) from tieline."externalIntegrationMapping" a
        where a."companyId" = $1 and a.integration > i.name
    ) from integrations i where i.name is not null
), held as (
    select case when m."entityId" ~ '^[1-9][0-9]{0,18}$' then m."entityId"::numeric end as id
    from tieline."externalIntegrationMapping" m
    where m."companyId" = $1 and m."entityType" = 'element' and m."externalId" = $4 and m.integration = any(array(
        select s.integration from tieline.target_system($1, $5) s where $5::text is not null
        union all
        select i.name from integrations i
    ))
), page as (
    select e.* from tieline.element e
    where e."companyId" = $1 and e.id > $2
        and e.id = any(array(select id::bigint from held where id <= 9223372036854775807))
    order by e.id limit $3::int + 1
)
select
    (select coalesce(json_agg(tieline.element_json(p) order by p.id), '[]')
        from (select * from page order by id limit $3::int) p),
    (select count(*) > $3::int from page),
    (select id from page order by id offset $3::int - 1 limit 1),
    $5::text is null or exists (select from tieline.target_system($1, $5))
