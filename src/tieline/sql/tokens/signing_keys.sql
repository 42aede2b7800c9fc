-- Newest first. A retired key verifies for $1 seconds more.
select id, secret, "retiredAt" is not null from tieline."signingKey"
where "retiredAt" is null or "retiredAt" > now() - make_interval(secs => $1::float8)
order by "createdAt" desc, id desc
