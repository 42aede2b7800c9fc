-- Whether it was revoked before, and since when it is.
with found as (
    select "companyId", id, "revokedAt" from tieline."apiKey" where id = $1 for update
), revoked as (
    update tieline."apiKey" k
    set "revokedAt" = now()
    from found f
    where k."companyId" = f."companyId" and k.id = f.id and f."revokedAt" is null
)
select "revokedAt" is not null, coalesce("revokedAt", now()) from found
