select id, "companyId", name, "keyPreview", array_to_string(scopes, ' '), "rateLimit", "createdAt", "expiresAt",
    "lastUsedAt", "revokedAt"
from tieline."apiKey"
where $1::text is null or "companyId" = $1
order by "companyId", "createdAt", id
