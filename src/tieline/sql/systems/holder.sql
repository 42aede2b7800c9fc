-- The other system that has the address $3, and that address in its canonical form.
select integration, tieline.canonical_url("systemUrl")
from tieline."externalSystem"
where "companyId" = $1 and integration <> $2 and tieline.canonical_url("systemUrl") = tieline.canonical_url($3)
