delete from tieline."externalIntegrationMapping"
where "companyId" = $1 and id in (
    select m.id from tieline."externalIntegrationMapping" m where m."companyId" = $1 order by m.id limit $2
)
