update tieline."externalSystem" set "isDefault" = false
where "companyId" = $1 and "isDefault" and integration <> $2
