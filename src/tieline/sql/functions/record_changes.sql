-- Record changes of one company's mappings. `olds` and `news`: their images before and after, null if there is none.
create or replace function record_changes(company text, olds jsonb[], news jsonb[]) returns void
    language plpgsql as $$
declare
    recorded integer;
begin
    -- With `returning`: on Citus an insert of rows without it is a copy, which row-level security forbids.
    with written as (
        insert into tieline."mappingChange"
            ("companyId", "mappingId", operation, before, after, actor, "requestId")
        select company, coalesce(c.new, c.old) ->> 'id',
            case when c.old is null then 'insert' when c.new is null then 'delete' else 'update' end, c.old, c.new,
            nullif(current_setting('tieline.actor', true), ''), nullif(current_setting('tieline.requestId', true), '')
        from unnest(olds, news) c (old, new)
        returning 1
    )
    select count(*) into recorded from written;
end
$$;
