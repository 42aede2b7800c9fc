-- True if a size is within a limit. If it is not, the statement ends with the problem that names the setting. `taken`:
-- what something else has of the limit.
create or replace function fits(size numeric, setting text, unit text, taken bigint default 0) returns boolean
    language plpgsql stable as $$
begin
    return size is null or size + taken <= tieline.limit_of(setting)
        or tieline.refuse('TL413', setting, tieline.limit_of(setting) || ' ' || unit);
end
$$;
