-- $3: whether a title is given at all.
with changed as (
    update tieline.element e set title = case when $3::bool then $4 else e.title end
    where e."companyId" = $1 and e.id = $2
    returning e.*
)
select tieline.element_json(c) from changed c
