select to_jsonb(m) - 'externalIdReversed' from tieline."externalIntegrationMapping" m where m."companyId" = $1 and m.id = $2
