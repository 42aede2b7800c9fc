-- Refuse values of an external system that are too large; see bound_mapping.
create or replace function bound_system() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' or new.metadata is distinct from old.metadata then
        perform tieline.check_json('metadata', new.metadata);
    end if;
    if tg_op = 'INSERT' or new."linkTemplates" is distinct from old."linkTemplates" then
        perform tieline.check_json('linkTemplates', new."linkTemplates");
    end if;
    perform tieline.check_text('integration', new.integration);
    perform tieline.check_text('name', new.name);
    perform tieline.check_text('systemUrl', new."systemUrl");
    perform tieline.check_text('linkTemplate', new."linkTemplate");
    return new;
end
$$;
