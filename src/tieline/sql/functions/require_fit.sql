-- Refuse a statement that makes a text of a mapping blank or a link no address; `unfit` is the column, if there is one.
create or replace function require_fit(unfit text) returns void language plpgsql as $$
begin
    if unfit is not null then
        raise check_violation using column = unfit, message = case unfit
            when 'link' then 'link must be an absolute http or https address' else unfit || ' must not be blank' end;
    end if;
end
$$;
