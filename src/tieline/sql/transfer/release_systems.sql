-- Clear the address of the systems whose address goes to another row of the batch. If the system $3 becomes the default
-- one, the default one so far is it no longer.
update tieline."externalSystem"
set "systemUrl" = case when integration = any ($2::text[]) then null else "systemUrl" end,
    "isDefault" = case when $3::text is null then "isDefault" else "isDefault" and integration = $3 end
where "companyId" = $1 and (integration = any ($2::text[]) or ($3::text is not null and "isDefault" and integration <> $3))
