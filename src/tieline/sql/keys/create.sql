-- No row if the time of expiry has passed by the database's clock.
insert into tieline."apiKey" ("companyId", id, name, "keyHash", "keyPreview", scopes, "rateLimit", "expiresAt")
select $1, $2, $3, $4, $5, array[$6], $7::integer, $8::timestamptz
where $8::timestamptz is null or $8::timestamptz > now()
returning id
