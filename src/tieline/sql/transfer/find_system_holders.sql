select tieline.canonical_url(e."systemUrl"), e.integration, l.line
from pg_temp."stagedSystem" s
join tieline."externalSystem" e
    on e."companyId" = $1 and tieline.canonical_url(e."systemUrl") = tieline.canonical_url(s."systemUrl")
        and e.integration <> s.integration
left join pg_temp."landedSystem" l on l.integration = e.integration
