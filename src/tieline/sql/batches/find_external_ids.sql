-- The mappings with one of these external ids ($4) of a type ($3) in a system ($2), $5 at the most.
select asked.id, m.id, m."entityType", m."entityId", m.integration, m."externalId"
from json_array_elements_text($4::json) asked (id)
cross join lateral (
    select * from tieline."externalIntegrationMapping" e
    where e."companyId" = $1 and e.integration = $2 and e."entityType" = $3
        and e."externalId" between asked.id and asked.id
    order by e."externalId"
    offset 0
) m
limit $5::integer
