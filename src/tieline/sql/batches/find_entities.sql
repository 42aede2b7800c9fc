-- The linked mappings of these entities ($4) of a type ($3) in a system ($2).
select asked.id, m.id, m."entityType", m."entityId", m.integration, m."externalId"
from json_array_elements_text($4::json) asked (id)
cross join lateral (
    select * from tieline."externalIntegrationMapping" e
    where e."companyId" = $1 and e."entityType" = $3 and e."entityId" between asked.id and asked.id
        and e.integration = $2
    order by e."entityId"
    limit 1
) m
where m."externalId" is not null or m.link is not null
