-- Without an id the next one is made: the company's row is locked, so two at once take turns. Ids beyond what a JSON
-- number holds exactly can be given, but are never counted on from.
with counted as (
    update tieline.company
    set "lastElementId" = greatest("lastElementId" + ($2::bigint is null)::int,
        case when $2::bigint < 9007199254740992 then $2::bigint else 0 end)
    where id = $1
    returning "lastElementId"
), added as (
    insert into tieline.element ("companyId", id, title)
    select $1, coalesce($2::bigint, "lastElementId"), $3 from counted
    returning *
)
select tieline.element_json(a) from added a
