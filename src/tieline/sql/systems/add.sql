insert into tieline."externalSystem" (
    "companyId", integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata, "staleAfterSeconds",
    "linkTemplates"
)
values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::integer, $10::jsonb)
