-- Asked across companies, for the operator, who gives the id alone.
-- A key whose time of expiry never comes is given like one without: psycopg has no datetime for infinity.
select id, "companyId", name, "keyPreview", scopes, "rateLimit", "createdAt",
    nullif(
        greatest(least("expiresAt", '9999-01-01T00:00Z'), '0001-01-02T00:00Z'), '9999-01-01T00:00Z'
    ) as "expiresAt",
    "lastUsedAt", "revokedAt"
from tieline."apiKey"
where id = $1
