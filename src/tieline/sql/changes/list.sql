select coalesce(json_agg(row_to_json(c) order by c.position), '[]')
from (
    select position, "mappingId", operation, before, after, actor, "requestId", at
    from tieline."mappingChange"
    where "companyId" = $1 and position > $2::bigint
    order by position
    limit $3::int
) c
