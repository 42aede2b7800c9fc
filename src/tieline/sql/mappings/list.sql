-- No row: there is no such element.
select coalesce((
    select json_agg(tieline.binding_json(b."externalId", b.link, b."systemUrl") order by b."createdAt", b.id)
    from tieline.binding b where b."companyId" = $1 and b."entityId" = $2
), '[]')
from tieline.element where "companyId" = $1 and id = $2::bigint
