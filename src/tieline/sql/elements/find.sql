select tieline.element_json(e) from tieline.element e where e."companyId" = $1 and e.id = $2
