-- Without an id the next one is made: the company's row is locked, so two at once take turns. Ids beyond what a JSON
-- number holds exactly can be given, but are never counted on from. Elements that were written past the counter, by
-- SQL, are counted too: their highest id is the end of an index.
with counted as (
    update tieline.company
    set "lastElementId" = case
        when $2::bigint is null then 1 + greatest("lastElementId", (
            select max(e.id) from tieline.element e where e."companyId" = $1 and e.id < 9007199254740992
        ))
        when $2::bigint < 9007199254740992 then greatest("lastElementId", $2::bigint)
        else "lastElementId"
    end
    where id = $1
    returning "lastElementId"
), added as (
    insert into tieline.element ("companyId", id, title)
    select $1, coalesce($2::bigint, "lastElementId"), $3 from counted
    returning *
)
select tieline.element_json(a) from added a
