select e.integration, l.line
from tieline."externalSystem" e
left join pg_temp."landedSystem" l on l.integration = e.integration
where e."companyId" = $1 and e."isDefault"
