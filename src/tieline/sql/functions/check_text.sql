-- Refuse a text that is longer than a text may be.
create or replace function check_text(name text, value text) returns void language plpgsql stable strict as $$
begin
    if octet_length(value) > tieline.limit_of('text_bytes_max') then
        raise string_data_right_truncation using column = name, message = format(
            '%s is longer than %s bytes, the setting text_bytes_max', name, tieline.limit_of('text_bytes_max')
        );
    end if;
end
$$;
