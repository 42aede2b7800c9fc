update tieline."externalSystem"
set name = $3, "systemUrl" = $4, "linkTemplate" = $5, "isDefault" = $6, active = $7, metadata = $8::jsonb,
    "staleAfterSeconds" = $9::integer, "linkTemplates" = $10::jsonb
where "companyId" = $1 and integration = $2
