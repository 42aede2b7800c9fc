delete from tieline."externalIntegrationMapping" m where m."companyId" = $1 and m.id = $2 returning to_jsonb(m) - 'externalIdReversed'
