select row_to_json(m) from tieline."externalIntegrationMapping" m where m."companyId" = $1 and m.id = $2
