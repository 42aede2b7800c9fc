-- Lock all external systems of the company, and return them with their canonical addresses (equal addresses are the
-- same text).
select integration, tieline.canonical_url("systemUrl")
from tieline."externalSystem"
where "companyId" = $1
order by integration
for update
