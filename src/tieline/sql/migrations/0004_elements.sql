-- What the element face reads: bindings, which are mappings of the entity type `element` beside their system.

-- RFC 3986: all but the unreserved characters as %XX of their UTF-8 bytes.
create function percent_encode(value text) returns text language sql immutable parallel safe strict as $$
    select case when value ~ '^[A-Za-z0-9_.~-]*$' then value else (
        select string_agg(
            case when character ~ '[A-Za-z0-9_.~-]' then character
            else regexp_replace(upper(encode(convert_to(character, 'UTF8'), 'hex')), '(..)', '%\1', 'g') end,
            '' order by place
        )
        from unnest(string_to_array(value, null)) with ordinality as split (character, place)
    ) end
$$;

-- The stored link, else the one that the system's template makes.
create function binding_link(link text, template text, external_id text) returns text
    language sql immutable parallel safe as $$
    select coalesce(link, replace(template, '{externalId}', tieline.percent_encode(external_id)))
$$;

-- `isCurrent`: the system is among the company's active ones; only then has the binding a system's address. The link
-- is the stored one, else made from the template of the system, as long as its settings are there.
create view binding with (security_invoker) as
select m."companyId", m.id, m."entityId", m.integration, m."externalId", m."createdAt",
    tieline.binding_link(m.link, s."linkTemplate", m."externalId") as link,
    case when s.active then s."systemUrl" end as "systemUrl",
    coalesce(s.active, false) as "isCurrent",
    coalesce(s.active and s."isDefault", false) as "isDefault"
from tieline."externalIntegrationMapping" m
left join tieline."externalSystem" s on s."companyId" = m."companyId" and s.integration = m.integration
where m."entityType" = 'element';
grant select on binding to tieline_server;

-- The binding that stands for the element: the default system's, else the oldest current one, else the oldest.
create function element_json(e element) returns json language sql stable as $$
    select row_to_json(shown) from (
        select e.id, e.title, e."creationTime", e."modificationDate", (
            select row_to_json(projection) from (
                select b."externalId", b.link, b."systemUrl" from tieline.binding b
                where b."companyId" = e."companyId" and b."entityId" = e.id::text
                order by b."isDefault" desc, b."isCurrent" desc, b."createdAt", b.id
                limit 1
            ) projection
        ) as "externalElement"
    ) shown
$$;

create function binding_json(external_id text, link text, system_url text) returns json
    language sql immutable parallel safe as $$
    select row_to_json(shown) from (
        select (
            select row_to_json(record) from (select external_id as "externalId", link) record
        ) as "externalElement", system_url as "systemUrl"
    ) shown
$$;

-- Which system a request means: the active one of that address, or without an address the default one, or else the
-- only active one. No row: there is none, or several and no default.
create function target_system(company text, url text) returns setof "externalSystem" language sql stable as $$
    select * from tieline."externalSystem" s
    where s."companyId" = company and s.active and case
        when url is not null then tieline.canonical_url(s."systemUrl") = tieline.canonical_url(url)
        else s."isDefault" or 1 = (
            select count(*) from tieline."externalSystem" a where a."companyId" = company and a.active
        ) end
$$;

-- What a request that names no system may be told to choose from.
create function active_systems(company text) returns json language sql stable as $$
    select coalesce(json_agg(shown order by shown.integration), '[]') from (
        select s.integration, s.name, s."systemUrl"
        from tieline."externalSystem" s where s."companyId" = company and s.active
    ) shown
$$;
