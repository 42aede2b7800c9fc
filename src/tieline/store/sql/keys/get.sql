select row_to_json(k) from (
    select "companyId", id, name, scopes, "rateLimit", "expiresAt", "revokedAt" is not null as "isRevoked"
    from tieline."apiKey" where "companyId" = $1 and id = $2
) k
