-- All external systems of the company, which nobody changes meanwhile, with their addresses in the form in which two
-- are the same.
select integration, tieline.canonical_url("systemUrl")
from tieline."externalSystem"
where "companyId" = $1
order by integration
for update
