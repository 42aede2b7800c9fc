select integration, name, "systemUrl", "linkTemplate", "isDefault", active
from tieline."externalSystem"
where "companyId" = $1
order by integration
