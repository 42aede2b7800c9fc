create or replace function bound_element() returns trigger language plpgsql as $$
begin
    perform tieline.check_text('title', new.title);
    return new;
end
$$;
