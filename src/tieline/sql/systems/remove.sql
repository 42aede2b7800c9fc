-- Only the settings go. The mappings stay and are historical from then on.
delete from tieline."externalSystem" where "companyId" = $1 and integration = $2 returning integration
