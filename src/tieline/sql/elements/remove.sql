delete from tieline.element where "companyId" = $1 and id = $2 returning id
