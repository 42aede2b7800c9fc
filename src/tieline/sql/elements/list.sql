-- One more than the page holds tells whether there is more. The last column: whether the system asked for is known.
with page as (
    select * from tieline.element where "companyId" = $1 and id > $2 order by id limit $3::int + 1
)
select
    (select coalesce(json_agg(tieline.element_json(p) order by p.id), '[]')
        from (select * from page order by id limit $3::int) p),
    (select count(*) > $3::int from page),
    (select id from page order by id offset $3::int - 1 limit 1),
    true
