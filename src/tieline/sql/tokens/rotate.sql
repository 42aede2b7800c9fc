-- A retired key still verifies the tokens that it signed, until the last of them has expired.
with retired as (
    update tieline."signingKey" set "retiredAt" = now() where "retiredAt" is null
    returning id
), made as (
    insert into tieline."signingKey" default values
    returning id
)
select (select id from made), (select count(*) from retired)
