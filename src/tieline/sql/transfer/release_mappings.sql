-- Mappings that lose their external id to another entity; one that has no link either has nothing left and goes.
with emptied as (
    delete from tieline."externalIntegrationMapping"
    where "companyId" = $1 and id = any ($2::text[]) and link is null
    returning id
), freed as (
    update tieline."externalIntegrationMapping"
    set "externalId" = null, "updatedAt" = now(), "updatedBy" = nullif(current_setting('tieline.actor', true), '')
    where "companyId" = $1 and id = any ($2::text[]) and link is not null
)
select id from emptied
