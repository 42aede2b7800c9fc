-- Record a change for each row that a statement deleted; see record_inserts.
create or replace function record_deletes() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
    company text;
    images jsonb[];
begin
    for company, images in
        select o.company, array_agg(o.image)
        from (
            select r."companyId" as company, to_jsonb(r) - 'externalIdReversed' as image,
                row_number() over () / 10000 as chunk
            from old_rows r
        ) o
        group by o.company, o.chunk
        order by o.chunk
    loop
        perform tieline.record_changes(company, images, null);
    end loop;
    return null;
end
$$;
