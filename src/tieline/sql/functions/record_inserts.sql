-- Record a change for each row that a statement inserted. The rows are first gathered in arrays, by company and in
-- chunks: on Citus an insert cannot read the rows that its trigger is given. Images are in UTC, whatever time zone a
-- request asks for.
create or replace function record_inserts() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
    company text;
    images jsonb[];
begin
    for company, images in
        select n.company, array_agg(n.image)
        from (
            select r."companyId" as company, to_jsonb(r) as image, row_number() over () / 10000 as chunk from new_rows r
        ) n
        group by n.company, n.chunk
        order by n.chunk
    loop
        perform tieline.record_changes(company, null, images);
    end loop;
    return null;
end
$$;
