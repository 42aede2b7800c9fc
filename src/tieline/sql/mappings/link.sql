-- $2: the element; $3: the system's address, null if left out; $4, $6: true if the external id ($5), the link ($7) is
-- given. The last column: the systems to choose from, the first hundred, for a request that names none.
select l.binding, l."isElementFound", l."isSystemFound", l.holder, case when not l."isSystemFound" then (
    select coalesce(json_agg(shown order by shown.integration), '[]') from (
        select s.integration, s.name, s."systemUrl"
        from tieline."externalSystem" s where s."companyId" = $1 and s.active
        order by s.integration limit 100
    ) shown
) end
from tieline.link_element($1, $2, $3, $4::bool, $5, $6::bool, $7) l
