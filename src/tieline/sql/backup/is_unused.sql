-- True if a registry has no company, or only the one of the first start ($1), whose only key ($2) was never used.
select not exists (select 1 from tieline.company c where c.id <> $1)
    and not exists (
        select 1 from tieline."apiKey" k
        where k."companyId" <> $1 or k.name <> $2 or k."lastUsedAt" is not null
    )
    and (select count(*) from tieline."apiKey") <= 1
