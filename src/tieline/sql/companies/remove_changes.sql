delete from tieline."mappingChange"
where "companyId" = $1 and position in (
    select c.position from tieline."mappingChange" c where c."companyId" = $1 order by c.position limit $2
)
