select integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata::text, "staleAfterSeconds"
from tieline."externalSystem"
where "companyId" = $1
order by integration
