-- Revoke an access token of the key $2 by its id, or a login by the id of its family ($3), for $4 seconds: no access
-- token lives longer. The family's refresh tokens end for good. Revocations that have expired are deleted.
with forgotten as (
    delete from tieline."revokedToken" where "companyId" = $1 and "keyId" = $2 and "expiresAt" < now() and id <> $3
), ended as (
    update tieline."refreshToken" set "revokedAt" = now()
    where "companyId" = $1 and "familyId" = $3 and "keyId" = $2 and "revokedAt" is null
)
insert into tieline."revokedToken" ("companyId", id, "keyId", "expiresAt")
values ($1, $3, $2, now() + make_interval(secs => $4::float8))
on conflict ("companyId", id) do update set "expiresAt" = greatest(excluded."expiresAt", "revokedToken"."expiresAt")
returning id
