-- Across companies: the operator gives only the id.
-- A key that expires after the year 9999 is read as one that never does: Python has no such datetime.
select id, "companyId", name, "keyPreview", scopes, "rateLimit", "createdAt",
    nullif(
        greatest(least("expiresAt", '9999-01-01T00:00Z'), '0001-01-02T00:00Z'), '9999-01-01T00:00Z'
    ) as "expiresAt",
    "lastUsedAt", "revokedAt"
from tieline."apiKey"
where id = $1
