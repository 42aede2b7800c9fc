delete from tieline.element
where "companyId" = $1 and id in (
    select e.id from tieline.element e where e."companyId" = $1 order by e.id limit $2
)
