-- In a strict company, refuse an integration that is not among its external systems; inactive ones are known. The names
-- that are most like it are in the error's detail, as JSON. No lock is taken: a mapping that is written while its system
-- is being removed is historical afterwards, as if it had been written a moment before.
create or replace function require_systems(company text, variadic integrations text[]) returns void
    language plpgsql stable as $$
declare
    unknown text;
begin
    if (select c."isStrict" from tieline.company c where c.id = company) is not true then
        return;
    end if;
    select i.name into unknown from unnest(integrations) i (name)
    where not exists (
        select 1 from tieline."externalSystem" s where s."companyId" = company and s.integration = i.name
    )
    limit 1;
    if found then
        perform tieline.refuse('TL104', unknown, (
            select coalesce(json_agg(k.integration), '[]') from (
                select s.integration from tieline."externalSystem" s where s."companyId" = company
                order by lower(s.integration) <> lower(unknown), abs(length(s.integration) - length(unknown)),
                    s.integration
                limit 20
            ) k
        )::text);
    end if;
end
$$;
