-- The mappings that staged rows are about, as they are, with what each row would make of them. The bits of given are
-- the columns in the order of the staging table. Lateral with a limit: whatever the planner guesses of a table without
-- statistics, it is one look-up by the key a row, never a scan of the company.
select s.line, m.id, m."externalId", m."allowDuplicateExternalId", l.line,
    (
        case when s.given & 8 <> 0 then s."externalId" else m."externalId" end,
        case when s.given & 16 <> 0 then coalesce(s."allowDuplicateExternalId", false)
            else m."allowDuplicateExternalId" end,
        case when s.given & 32 <> 0 then nullif(s.metadata, 'null') else nullif(m.metadata, 'null') end,
        case when s.given & 64 <> 0 then s."lastSyncedAt" else m."lastSyncedAt" end,
        case when s.given & 128 <> 0 then s."remoteUpdatedAt" else m."remoteUpdatedAt" end,
        case when s.given & 256 <> 0 then s.link else m.link end
    ) is not distinct from (
        m."externalId", m."allowDuplicateExternalId", nullif(m.metadata, 'null'), m."lastSyncedAt",
        m."remoteUpdatedAt", m.link
    )
from pg_temp."stagedMapping" s
cross join lateral (
    select *
    from tieline."externalIntegrationMapping" e
    where e."companyId" = $1 and e."entityType" = s."entityType" and e."entityId" = s."entityId"
        and e.integration = s.integration
    limit 1
) m
left join pg_temp."landedMapping" l on l.id = m.id
