update tieline."externalSystem" set "isDefault" = false
where "companyId" = $1 and integration <> $2 and "isDefault"
