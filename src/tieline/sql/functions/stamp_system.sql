-- The times, and the name: a system without one has its integration as its name.
create or replace function stamp_system() returns trigger language plpgsql as $$
begin
    new.name := coalesce(nullif(new.name, ''), new.integration);
    new."createdAt" := case when tg_op = 'INSERT' then now() else old."createdAt" end;
    new."updatedAt" := case when tg_op = 'INSERT' then now() else old."updatedAt" end;
    if tg_op = 'UPDATE' and new is distinct from old then
        new."updatedAt" := now();
    end if;
    return new;
end
$$;
