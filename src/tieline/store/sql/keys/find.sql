select row_to_json(k) from (
    select "companyId", id, name, scopes, "rateLimit", "expiresAt", "revokedAt" is not null as "isRevoked"
    from tieline.find_key($1)
) k
