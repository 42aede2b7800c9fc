create or replace function stamp_system() returns trigger language plpgsql as $$
begin
    new."createdAt" := case when tg_op = 'INSERT' then now() else old."createdAt" end;
    new."updatedAt" := case when tg_op = 'INSERT' then now() else old."updatedAt" end;
    if tg_op = 'UPDATE' and new is distinct from old then
        new."updatedAt" := now();
    end if;
    return new;
end
$$;
