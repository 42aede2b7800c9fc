-- True for a text that may become a mapping's link: an absolute http or https address. PostgREST stores the JSON text of
-- a value that is no string, and such text is no address of a script: it is taken, too.
create or replace function is_link(value text) returns boolean language sql immutable parallel safe as $$
    select tieline.is_address(value) or value ~ '^(-?[0-9]|[[{]|true$|false$)'
$$;
