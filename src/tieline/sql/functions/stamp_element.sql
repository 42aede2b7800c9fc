create or replace function stamp_element() returns trigger language plpgsql as $$
begin
    new."creationTime" := old."creationTime";
    new."modificationDate" := case when new.title is distinct from old.title then now() else old."modificationDate" end;
    return new;
end
$$;
