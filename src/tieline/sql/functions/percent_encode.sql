-- Percent-encode all characters that RFC 3986 does not call unreserved.
create or replace function percent_encode(value text) returns text language sql immutable parallel safe strict as $$
    select case when value ~ '^[A-Za-z0-9_.~-]*$' then value else (
        select string_agg(
            case when character ~ '[A-Za-z0-9_.~-]' then character
            else regexp_replace(upper(encode(convert_to(character, 'UTF8'), 'hex')), '(..)', '%\1', 'g') end,
            '' order by place
        )
        from unnest(string_to_array(value, null)) with ordinality as split (character, place)
    ) end
$$;
