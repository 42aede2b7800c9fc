-- Create or change the mapping of an element in an external system: the active one with the address, or without an
-- address the default one, or else the only active one. Nothing is written if element or system do not exist or another
-- element holds the external id. The element's row is locked, so that it cannot be deleted meanwhile.
create or replace function link_element(
    company text, element_id text, system_url text, has_external_id boolean, external_id text, has_link boolean,
    address text
)
    returns table (binding json, "isElementFound" boolean, "isSystemFound" boolean, holder text)
    language plpgsql as $$
declare
    target record;
    written record;
begin
    perform 1 from tieline.element e where e."companyId" = company and e.id = element_id::bigint for key share;
    "isElementFound" := found;
    select s.integration, s."systemUrl", coalesce(s."linkTemplates" ->> 'element', s."linkTemplate") as template
    into target from tieline."externalSystem" s
    where s."companyId" = company and s.active and case
        when system_url is not null then tieline.canonical_url(s."systemUrl") = tieline.canonical_url(system_url)
        else s."isDefault" or 1 = (
            select count(*) from tieline."externalSystem" a where a."companyId" = company and a.active
        ) end;
    "isSystemFound" := found;
    if "isElementFound" and "isSystemFound" and external_id is not null then
        holder := tieline.find_holder(company, target.integration, 'element', element_id, external_id);
    end if;
    if "isElementFound" and "isSystemFound" and holder is null then
        insert into tieline."externalIntegrationMapping" as m
            ("companyId", "entityType", "entityId", integration, "externalId", link)
        values (company, 'element', element_id, target.integration, external_id, address)
        on conflict ("companyId", "entityType", "entityId", integration) do update set
            "externalId" = case when has_external_id then excluded."externalId" else m."externalId" end,
            link = case when has_link then excluded.link else m.link end
        returning m."externalId", m.link into written;
        if written."externalId" is null and written.link is null then
            perform tieline.refuse('TL001', 'Neither an externalId nor a link would be left.');
        end if;
        binding := tieline.binding_json(
            written."externalId", tieline.binding_link(written.link, target.template, written."externalId"),
            target."systemUrl"
        );
    end if;
    return next;
end
$$;
