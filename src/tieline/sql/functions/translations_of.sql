-- The translations of these entities into a system, as `translate` shows them. For the plan see holders_of.
create or replace function translations_of(
    company text, in_integration text, entity_types text[], entity_ids text[]
)
    returns table ("entityType" text, "entityId" text, id text, shown jsonb)
    language plpgsql stable set enable_nestloop = off as $$
#variable_conflict use_column
declare
    template constant text := (
        select s."linkTemplate" from tieline."externalSystem" s
        where s."companyId" = company and s.integration = in_integration
    );
    templates constant jsonb := (
        select s."linkTemplates" from tieline."externalSystem" s
        where s."companyId" = company and s.integration = in_integration
    );
begin
    return query
    select m."entityType", m."entityId", m.id, tieline.translation_json(
        m."entityType", m."entityId", m."externalId",
        -- Most systems have no template; then no id needs to be encoded.
        case when template is null and templates is null then m.link else tieline.binding_link(
            m.link, coalesce(templates ->> m."entityType", template), m."externalId"
        ) end
    )
    from tieline."externalIntegrationMapping" m
    where m."companyId" = company and m.integration = in_integration
        and m."entityType" = any (entity_types) and m."entityId" = any (entity_ids)
        and (m."externalId" is not null or m.link is not null)
    order by m."entityType", m."entityId";
end
$$;

-- See holders_of.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        alter function translations_of (text, text, text[], text[]) set enable_sort = off;
    end if;
end
$$;
