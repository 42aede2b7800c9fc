-- Check the texts that a statement changed, and record a change for each row; see record_inserts. A row that stayed as it
-- was is no change. A new id or company makes another mapping: the old one is deleted, the new one inserted.
create or replace function record_updates() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
    company text;
    olds jsonb[];
    news jsonb[];
    integrations text[];
    unfit text;
begin
    for company, olds, news, integrations, unfit in
        select c.company, array_agg(c.old), array_agg(c.new),
            array_agg(distinct c.integration) filter (where c.integration is not null), min(c.unfit)
        from (
            select coalesce(n."companyId", o."companyId") as company, to_jsonb(o) - 'externalIdReversed' as old,
                to_jsonb(n) - 'externalIdReversed' as new,
                case when n.integration is distinct from o.integration then n.integration end as integration,
                tieline.unfit_column(
                    case when n."entityType" is distinct from o."entityType" then n."entityType" end,
                    case when n."entityId" is distinct from o."entityId" then n."entityId" end,
                    case when n.integration is distinct from o.integration then n.integration end,
                    case when n."externalId" is distinct from o."externalId" then n."externalId" end,
                    case when n.link is distinct from o.link then n.link end
                ) as unfit,
                row_number() over () / 10000 as chunk
            from old_rows o full join new_rows n on n."companyId" = o."companyId" and n.id = o.id
            where o is distinct from n
        ) c
        group by c.company, c.chunk
        order by c.chunk
    loop
        perform tieline.require_fit(unfit);
        if integrations is not null then
            perform tieline.require_systems(company, variadic integrations);
        end if;
        perform tieline.record_changes(company, olds, news);
    end loop;
    return null;
end
$$;
