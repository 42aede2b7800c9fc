-- The first refresh token of a family, for the key $2. Expired tokens are deleted, and those of all families of the key
-- but the $6 - 1 that were used last.
with kept as (
    select t."familyId" from tieline."refreshToken" t
    where t."companyId" = $1 and t."keyId" = $2
    group by t."familyId"
    order by max(t.id) desc
    limit $6::int - 1
), forgotten as (
    delete from tieline."refreshToken" t
    where t."companyId" = $1 and t."keyId" = $2
        and (t."expiresAt" < now() or t."familyId" not in (select k."familyId" from kept k))
)
insert into tieline."refreshToken" ("companyId", "familyId", "keyId", "tokenHash", scopes, "expiresAt")
select $1, tieline.make_id(), $2, $3, array(select json_array_elements_text($4::json)),
    now() + make_interval(secs => $5::float8)
returning "familyId"
