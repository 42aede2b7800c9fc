-- Nothing is shown of an emptied mapping, which has neither external id nor link. Its plan: see resolve.
create or replace function locate(company text, in_integration text, entity_type text, entity_ids json)
    returns table ("entityId" text, status text, "externalId" text, link text, "mappingId" text)
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
declare
    template constant text := (
        select coalesce(s."linkTemplates" ->> entity_type, s."linkTemplate") from tieline."externalSystem" s
        where s."companyId" = company and s.integration = in_integration
    );
    ids constant integer := json_array_length(entity_ids);
    bytes constant bigint := octet_length(entity_ids::text);
begin
    perform tieline.require_systems(company, in_integration);
    return query
    with asked as materialized (
        select a.id, a.position from json_array_elements_text(entity_ids) with ordinality a (id, position)
    ), found as materialized (
        select m."entityId", m."externalId", m.link, m.id
        from tieline."externalIntegrationMapping" m
        where m."companyId" = company and m."entityType" = entity_type
            and m."entityId" = any (array(select a.id from asked a)) and m.integration = in_integration
            and (m."externalId" is not null or m.link is not null)
        order by m."entityId"
    ), checked as materialized (
        -- A link from a template has at most its text and the encoded id.
        select (ids * max(w.size) + bytes <= tieline.limit_of('answer_bytes_max') or tieline.fits((
            select sum(150 + coalesce(octet_length(f."externalId"), 0)
                + coalesce(octet_length(f.link), octet_length(template), 0))
            from asked a join found f on f."entityId" = a.id
        ), 'answer_bytes_max', 'bytes', bytes)) is not false as fits
        from (
            select 150 + coalesce(4 * octet_length(f."externalId"), 0)
                + coalesce(octet_length(f.link), octet_length(template), 0) as size
            from found f
        ) w
    )
    select a.id, case when f.id is null then 'unlinked' else 'linked' end, f."externalId",
        -- Most systems have no template; then no id needs to be encoded.
        case when template is null then f.link else tieline.binding_link(f.link, template, f."externalId") end,
        f.id
    from asked a left join found f on f."entityId" = a.id
    where (select c.fits from checked c)
    order by a.position;
end
$$;

-- See resolve.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function locate (text, text, text, json) set enable_sort = off;
    end if;
end
$$;
