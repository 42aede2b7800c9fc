-- Without an id the next one is made: the company's row is locked, so two requests at once take turns. An id
-- beyond the integers that a JSON number holds exactly can be given, but the counter does not go on from it. Elements
-- that SQL wrote past the counter are counted too: their highest id is the end of an index. externalElement: see find.
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
select row_to_json(shown)
from (
    select e.id, e.title, e."creationTime", e."modificationDate", (
        select row_to_json(l)
        from (
            select m."externalId", tieline.binding_link(m.link, coalesce(s."linkTemplates" ->> 'element', s."linkTemplate"), m."externalId") as link,
                case when s.active then s."systemUrl" end as "systemUrl"
            from tieline."externalIntegrationMapping" m
            left join tieline."externalSystem" s on s."companyId" = m."companyId" and s.integration = m.integration
            where m."companyId" = $1 and m."entityType" = 'element' and m."entityId" = e.id::text
                and (m."externalId" is not null or m.link is not null)
            order by coalesce(s.active and s."isDefault", false) desc, coalesce(s.active, false) desc,
                m."createdAt", m.id
            limit 1
        ) l
    ) as "externalElement"
    from added e
) shown
