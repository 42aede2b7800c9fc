-- A limit by the name of its setting. Connections of the server and transactions of imports and exports get the values
-- of the settings (postgres/pooler.py); elsewhere, as in tieline system set, the defaults hold.
create or replace function limit_of(setting text) returns bigint language plpgsql stable parallel safe as $$
begin
    return coalesce(nullif(current_setting('tieline.' || setting, true), '')::bigint, case setting
        when 'answer_bytes_max' then 8000000
        when 'candidates_max' then 50000
        when 'metadata_bytes_max' then 64000
        when 'metadata_shown_bytes_max' then 200000
        when 'number_digits_max' then 1000
        when 'text_bytes_max' then 8000
    end);
end
$$;
