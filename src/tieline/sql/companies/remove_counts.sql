with counts as (
    delete from tieline."mappingCount" where "companyId" = $1
), entities as (
    delete from tieline."entityCount" where "companyId" = $1
)
delete from tieline."mappingDelta" where "companyId" = $1
