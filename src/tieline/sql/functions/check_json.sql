-- Refuse JSON that is too large to be shown again. PostgreSQL stores a number in few bytes, however many zeros its
-- exponent stands for; so numbers are looked at before the JSON becomes text. The bytes of jsonb are eight times those of
-- the text at the most.
create or replace function check_json(name text, value jsonb) returns void language plpgsql stable strict as $$
declare
    bytes_max constant bigint := tieline.limit_of('metadata_bytes_max');
    digits_max constant bigint := tieline.limit_of('number_digits_max');
    too_large constant numeric := ('1e' || digits_max)::numeric;
begin
    if pg_column_size(value) <= 8 * bytes_max then
        if exists (
            select 1 from jsonb_path_query(value, 'strict $.** ? (@.type() == "number")') n
            where abs(n::numeric) >= too_large or scale(n::numeric) > digits_max
        ) then
            raise numeric_value_out_of_range using column = name, message = format(
                '%s contains a number of more than %s digits, the setting number_digits_max', name, digits_max
            );
        elsif octet_length(value::text) <= bytes_max then
            return;
        end if;
    end if;
    raise string_data_right_truncation using column = name, message = format(
        '%s is larger than %s bytes of JSON, the setting metadata_bytes_max', name, bytes_max
    );
end
$$;
