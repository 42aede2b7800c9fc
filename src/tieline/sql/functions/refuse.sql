-- Raise an error inside a statement, so that nothing of it stays.
create or replace function refuse(code text, message text, detail text default null) returns boolean
    language plpgsql as $$
begin
    raise exception using errcode = code, message = message, detail = coalesce(detail, '');
end
$$;
