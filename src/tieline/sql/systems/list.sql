select integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata::text, "staleAfterSeconds",
    "linkTemplates"::text
from tieline."externalSystem"
where "companyId" = $1
order by integration
