-- No row: it was revoked before, or there is none.
update tieline."apiKey" set "revokedAt" = now()
where "companyId" = $1 and id = $2 and "revokedAt" is null
returning "revokedAt"
