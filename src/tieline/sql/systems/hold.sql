-- As find, and the row is locked until the end of the transaction.
select integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata::text, "staleAfterSeconds",
    "linkTemplates"::text
from tieline."externalSystem"
where "companyId" = $1 and integration = $2
for update
