-- The settings alone: its mappings stay and are historical from here on.
delete from tieline."externalSystem" where "companyId" = $1 and integration = $2 returning integration
