-- The numbers, from 1, of the rows that change nothing of their mapping, external id and sharing aside.
select r.n
from rows from (
    json_to_recordset($2::json) as (
        metadata jsonb, "lastSyncedAt" timestamptz, "remoteUpdatedAt" timestamptz, link text, id text
    ),
    jsonb_array_elements($3::jsonb)
) with ordinality r (metadata, "lastSyncedAt", "remoteUpdatedAt", link, id, given, n)
cross join lateral (
    select * from tieline."externalIntegrationMapping" e
    where e."companyId" = $1 and e.id between r.id and r.id
    order by e.id
    limit 1
) m
where (not r.given ? 'metadata' or nullif(r.metadata, 'null') is not distinct from nullif(m.metadata, 'null'))
    and (not r.given ? 'lastSyncedAt' or r."lastSyncedAt" is not distinct from m."lastSyncedAt")
    and (not r.given ? 'remoteUpdatedAt' or r."remoteUpdatedAt" is not distinct from m."remoteUpdatedAt")
    and (not r.given ? 'link' or r.link is not distinct from m.link)
