-- The other system whose address is the same as $3, and that address in the form in which it is the same.
select integration, tieline.canonical_url("systemUrl")
from tieline."externalSystem"
where "companyId" = $1 and integration <> $2 and tieline.canonical_url("systemUrl") = tieline.canonical_url($3)
