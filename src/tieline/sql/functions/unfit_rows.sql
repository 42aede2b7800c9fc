-- The rows of a JSON array that hold a value which PostgreSQL cannot store: their places from 1, the column, and the
-- SQLSTATE of the refusal. It is asked only after PostgreSQL has refused a batch, since it tries value by value.
create or replace function unfit_rows(rows json) returns table (place integer, "column" text, state text)
    language plpgsql stable as $$
declare
    element record;
    name text;
begin
    for element in select e.value, e.ordinality::integer as place from json_array_elements(rows) with ordinality e loop
        foreach name in array array['metadata', 'linkTemplates'] loop
            begin
                perform tieline.check_json(name, (element.value -> name)::jsonb);
            exception when data_exception or program_limit_exceeded or feature_not_supported then
                return query select element.place, name, sqlstate;
            end;
        end loop;
        foreach name in array array['link', 'title', 'name', 'systemUrl', 'linkTemplate'] loop
            begin
                perform tieline.check_text(name, element.value ->> name);
            exception when data_exception then
                return query select element.place, name, sqlstate;
            end;
        end loop;
        foreach name in array array[
            'lastSyncedAt', 'remoteUpdatedAt', 'createdAt', 'updatedAt', 'creationTime', 'modificationDate'
        ] loop
            begin
                perform (element.value ->> name)::timestamptz;
            exception when data_exception then
                return query select element.place, name, sqlstate;
            end;
        end loop;
    end loop;
end
$$;
