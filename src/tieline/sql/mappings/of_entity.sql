select coalesce(json_agg(to_jsonb(shown) - 'externalIdReversed' order by shown.integration), '[]')
from (
    select m.*, coalesce(s.active, false) as "isCurrent"
    from tieline."externalIntegrationMapping" m
    left join tieline."externalSystem" s on s."companyId" = m."companyId" and s.integration = m.integration
    where m."companyId" = $1 and m."entityType" = $2 and m."entityId" = $3
) shown
