-- The first refresh token of a family, for the key $2. Tokens that expired a day ago are deleted.
with forgotten as (
    delete from tieline."refreshToken"
    where "companyId" = $1 and "keyId" = $2 and "expiresAt" < now() - interval '1 day'
)
insert into tieline."refreshToken" ("companyId", "familyId", "keyId", "tokenHash", scopes, "expiresAt")
select $1, tieline.make_id(), $2, $3, array(select json_array_elements_text($4::json)),
    now() + make_interval(secs => $5::float8)
returning id
