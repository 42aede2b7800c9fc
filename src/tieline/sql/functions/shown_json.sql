-- JSON as it is shown: rows that are older than the limits of check_json may hold some that no answer and no file could
-- take. A note stands in its place; in the image of a row, in the place of its metadata.
create or replace function shown_json(value jsonb) returns jsonb language plpgsql stable strict as $$
declare
    bytes_max constant bigint := tieline.limit_of('metadata_shown_bytes_max');
    note constant jsonb := jsonb_build_object(
        'tieline', format('This is larger than %s bytes, the setting metadata_shown_bytes_max.', bytes_max)
    );
    digits numeric;
begin
    if pg_column_size(value) <= 8 * bytes_max then
        -- The digits of numbers, which have 131072 before their point at the most.
        select coalesce(sum(scale(n::numeric) + case when abs(n::numeric) >= 1e1000 then 131072 else 0 end), 0)
        into digits
        from jsonb_path_query(value, 'strict $.** ? (@.type() == "number")') n;
        -- By itself: the planner would make the text of a value that it knows.
        if digits <= bytes_max then
            if octet_length(value::text) <= bytes_max then
                return value;
            end if;
        end if;
    end if;
    if jsonb_typeof(value) = 'object' and value ? 'metadata' and value ? 'entityId' then
        return tieline.shown_json(value - 'metadata') || jsonb_build_object('metadata', note);
    end if;
    return note;
end
$$;
