create or replace function binding_json(external_id text, link text, system_url text) returns json
    language sql immutable parallel safe as $$
    select row_to_json(shown) from (
        select (
            select row_to_json(record) from (select external_id as "externalId", link) record
        ) as "externalElement", system_url as "systemUrl"
    ) shown
$$;
