-- Mappings that have one of these ids.
select m.id, m."entityType", m."entityId", m.integration, m."externalId"
from json_array_elements_text($2::json) asked (id)
cross join lateral (
    select * from tieline."externalIntegrationMapping" e
    where e."companyId" = $1 and e.id between asked.id and asked.id
    order by e.id
    limit 1
) m
