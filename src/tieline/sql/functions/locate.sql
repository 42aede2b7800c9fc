-- Look-ups take the ids as one set, which is one scan of the index, and put the answers beside the questions by
-- hashing. Plans must be right without statistics, and stay so while the table grows from nothing: a nested loop would
-- compare each id with every other, so there is none; and an order that one index alone gives, with sorting off (see
-- the end), makes that index the look-up's, where a guess takes all for alike.
create or replace function locate(company text, in_integration text, entity_type text, entity_ids json)
    returns table ("entityId" text, status text, "externalId" text, link text, "mappingId" text)
    language sql stable set enable_nestloop = off as $$
with asked as materialized (
    select a.id, a.position from json_array_elements_text(entity_ids) with ordinality a (id, position)
), found as materialized (
    select m."entityId", m."externalId", m.link, m.id
    from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m."entityType" = entity_type
        and m."entityId" = any (array(select a.id from asked a)) and m.integration = in_integration
    order by m."entityId"
), template as materialized (
    select s."linkTemplate" as template from tieline."externalSystem" s
    where s."companyId" = company and s.integration = in_integration
)
select a.id, case when f.id is null then 'unlinked' else 'linked' end, f."externalId",
    -- Most systems have no template, and then no id is worth encoding.
    case when (select t.template from template t) is null then f.link
        else tieline.binding_link(f.link, (select t.template from template t), f."externalId") end,
    f.id
from asked a
left join found f on f."entityId" = a.id
order by a.position
$$;

-- Before 17 a scan for a set of values gives no order, and without sorting the whole group would be read.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function locate (text, text, text, json) set enable_sort = off;
    end if;
end
$$;
