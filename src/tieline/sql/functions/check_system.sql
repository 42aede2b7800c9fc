-- Refuse a key of an external system that becomes blank, and a template of links that is no address. What is there
-- already does not stand in the way of other changes.
create or replace function check_system() returns trigger language plpgsql as $$
begin
    if new.integration is distinct from old.integration and tieline.is_blank(new.integration) then
        raise check_violation using column = 'integration', message = 'integration must not be blank';
    end if;
    if new."linkTemplate" is distinct from old."linkTemplate" and not tieline.is_address(new."linkTemplate") then
        raise check_violation using column = 'linkTemplate', constraint = 'externalSystem_linkTemplate_address',
            message = 'linkTemplate must be an absolute http or https address that contains {externalId}';
    end if;
    return null;
end
$$;
