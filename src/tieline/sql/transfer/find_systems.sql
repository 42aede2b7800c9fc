-- Each staged row with the address that it would have, in the form in which two addresses are the same.
select s.line, e.integration is not null, tieline.canonical_url(e."systemUrl"),
    tieline.canonical_url(case when s.given & 4 <> 0 then s."systemUrl" else e."systemUrl" end), l.line,
    e.integration is not null and (
        case when s.given & 2 <> 0 then coalesce(s.name, s.integration) else e.name end,
        case when s.given & 4 <> 0 then s."systemUrl" else e."systemUrl" end,
        case when s.given & 8 <> 0 then s."linkTemplate" else e."linkTemplate" end,
        case when s.given & 16 <> 0 then coalesce(s."isDefault", false) else e."isDefault" end,
        case when s.given & 32 <> 0 then coalesce(s.active, true) else e.active end,
        case when s.given & 64 <> 0 then nullif(s.metadata, 'null') else nullif(e.metadata, 'null') end
    ) is not distinct from (
        e.name, e."systemUrl", e."linkTemplate", e."isDefault", e.active, nullif(e.metadata, 'null')
    )
from pg_temp."stagedSystem" s
left join tieline."externalSystem" e on e."companyId" = $1 and e.integration = s.integration
left join pg_temp."landedSystem" l on l.integration = s.integration
