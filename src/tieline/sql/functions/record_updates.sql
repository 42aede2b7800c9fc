-- Record a change for each row that a statement changed; see record_inserts. A row that stayed as it was is no change.
-- A new id or company makes another mapping: the old one is deleted, the new one inserted.
create or replace function record_updates() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
    company text;
    olds jsonb[];
    news jsonb[];
begin
    for company, olds, news in
        select c.company, array_agg(c.old), array_agg(c.new)
        from (
            select coalesce(n."companyId", o."companyId") as company, to_jsonb(o) as old, to_jsonb(n) as new,
                row_number() over () / 10000 as chunk
            from old_rows o full join new_rows n on n."companyId" = o."companyId" and n.id = o.id
            where o is distinct from n
        ) c
        group by c.company, c.chunk
        order by c.chunk
    loop
        perform tieline.record_changes(company, olds, news);
    end loop;
    return null;
end
$$;
