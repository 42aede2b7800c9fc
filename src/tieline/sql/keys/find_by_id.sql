-- The key of an access token with the id $3, of the family $4. If the token was revoked, the key is told as revoked.
-- A key that expires after the year 9999 is read as one that never does: Python has no such datetime.
select row_to_json(k) from (
    select "companyId", id, name, scopes, "rateLimit",
        "revokedAt" is not null or exists (
            select 1 from tieline."revokedToken" r where r."companyId" = $1 and r.id in ($3, $4)
        ) as "isRevoked",
        nullif(
            greatest(least("expiresAt", '9999-01-01T00:00Z'), '0001-01-02T00:00Z'), '9999-01-01T00:00Z'
        ) as "expiresAt"
    from tieline."apiKey" where "companyId" = $1 and id = $2
) k
