-- A time of expiry that never comes, such as infinity, is none; Python has no datetime past the year 9999.
select row_to_json(k) from (
    select "companyId", id, name, scopes, "rateLimit", "revokedAt" is not null as "isRevoked",
        nullif(
            greatest(least("expiresAt", '9999-01-01T00:00Z'), '0001-01-02T00:00Z'), '9999-01-01T00:00Z'
        ) as "expiresAt"
    from tieline."apiKey" where "companyId" = $1 and id = $2
) k
