-- $2: hash of the token that is spent; $3: hash of the one that follows it; $4: its lifetime in seconds. Of two at once
-- the second waits for the first's row, sees it spent and gets nothing. All but the last $5 spent tokens of the family
-- are deleted. A token that was spent before ends its family, its access tokens included: none lives longer than $6 seconds.
with presented as (
    select t.*, k."revokedAt" is not null or k."expiresAt" <= now() as "isEnded"
    from tieline."refreshToken" t
    join tieline."apiKey" k on k."companyId" = t."companyId" and k.id = t."keyId"
    where t."companyId" = $1 and t."tokenHash" = $2
), spent as (
    update tieline."refreshToken" t set "spentAt" = now() from presented p
    where t."companyId" = $1 and t.id = p.id and not coalesce(p."isEnded", false)
        and t."spentAt" is null and t."revokedAt" is null and t."expiresAt" > now()
    returning t."familyId", t."keyId", t.scopes
), added as (
    insert into tieline."refreshToken" ("companyId", "familyId", "keyId", "tokenHash", scopes, "expiresAt")
    select $1, "familyId", "keyId", $3, scopes, now() + make_interval(secs => $4::float8) from spent
    returning 1
), forgotten as (
    delete from tieline."refreshToken" t
    where t."companyId" = $1 and exists (select 1 from spent) and t.id in (
        select o.id from tieline."refreshToken" o join presented p on p."familyId" = o."familyId"
        where o."companyId" = $1 and o."spentAt" is not null
        order by o.id desc
        offset $5::int - 1
    )
), ended as (
    update tieline."refreshToken" t set "revokedAt" = now() from presented p
    where t."companyId" = $1 and t."familyId" = p."familyId" and p."spentAt" is not null and t."revokedAt" is null
        and not exists (select 1 from spent)
), denied as (
    insert into tieline."revokedToken" ("companyId", id, "keyId", "expiresAt")
    select $1, p."familyId", p."keyId", now() + make_interval(secs => $6::float8)
    from presented p
    where p."spentAt" is not null and p."revokedAt" is null and not exists (select 1 from spent)
    on conflict ("companyId", id) do nothing
    returning 1
)
select
    (select row_to_json(s) from (select "keyId", "familyId", scopes from spent) s),
    coalesce((select "isEnded" from presented), false)
