-- Ids that staged rows ask for and other entities' mappings have.
select h.id, h."entityType", h."entityId", h.integration
from pg_temp."stagedMapping" s
cross join lateral (
    select e.*
    from tieline."externalIntegrationMapping" e
    where e."companyId" = $1 and e.id = s.id
    limit 1
) h
where (h."entityType", h."entityId", h.integration) <> (s."entityType", s."entityId", s.integration)
