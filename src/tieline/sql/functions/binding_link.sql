-- The stored link, else the one that the system's template makes.
create or replace function binding_link(link text, template text, external_id text) returns text
    language sql immutable parallel safe as $$
    select coalesce(link, replace(template, '{externalId}', tieline.percent_encode(external_id)))
$$;
