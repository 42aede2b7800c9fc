-- Which element holds the external id $3 in the system of the address $2.
select m."entityId" from tieline."externalIntegrationMapping" m
where m."companyId" = $1 and m."entityType" = 'element' and m."externalId" = $3 and not m."allowDuplicateExternalId"
    and m.integration = (select integration from tieline.target_system($1, $2))
