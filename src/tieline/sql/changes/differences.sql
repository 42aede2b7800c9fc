-- Mappings that are not as their history says: the newest change of each mapping, beside the row. The history of an
-- older release lacks columns that came later; those are not compared.
select coalesce(d.folded, d.there)
from (
    select f."mappingId" as folded, f.after, m.id as there,
        to_jsonb(m) - 'externalIdReversed' as image
    from (
        select distinct on (c."mappingId") c."mappingId", c.after
        from tieline."mappingChange" c
        where c."companyId" = $1
        order by c."mappingId", c.position desc
    ) f
    full join (
        select * from tieline."externalIntegrationMapping" r where r."companyId" = $1
    ) m on m.id = f."mappingId"
) d
where case
    when d.after is null then d.there is not null
    when d.there is null then true
    when d.after = d.image then false
    else exists (
        select 1 from jsonb_each(d.after) c (name, value) where d.image -> c.name is distinct from c.value
    )
end
order by 1
