-- JSON as it is shown; see shown_json. Small values, which PostgreSQL stores as they are, are looked at in place: it
-- takes the text of this function into the statement.
create or replace function shown(value jsonb) returns jsonb language sql stable parallel safe as $$
    select case
        when pg_column_size(value) <= 2000 and pg_column_compression(value) is null
            and octet_length(value::text) <= 10000 then value
        else tieline.shown_json(value)
    end
$$;
