-- Row-level security is the second wall between companies: a statement that forgets its company sees no other one's
-- rows. It is forced, so that it binds the owner too; only the policies named operator let the owner see companies and
-- keys of all, for the command line. Requests are served as the role tieline_server, which owns nothing.
-- `is true`: without it, Citus refuses outer joins of these tables.

do $$
begin
    if not exists (select 1 from pg_roles where rolname = 'tieline_server') then
        create role tieline_server nologin;
    end if;
exception
    -- Roles belong to the whole cluster: another database may have made this one at the same time.
    when duplicate_object or unique_violation then null;
end
$$;
do $$
begin
    -- From PostgreSQL 16 on, a member of a role may take it only if the grant says so.
    if not pg_has_role(current_user, 'tieline_server', case
        when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end
    ) then
        execute format('grant tieline_server to %I', current_user);
    end if;
end
$$;

grant usage on schema tieline to tieline_server;
grant select on company to tieline_server;
grant update ("lastElementId") on company to tieline_server;
grant select, insert, update, delete on "externalSystem", "externalIntegrationMapping", element to tieline_server;
grant select, update ("lastUsedAt") on "apiKey" to tieline_server;
grant select, insert on "mappingChange" to tieline_server;
grant select, insert, update, delete on "refreshToken" to tieline_server;
grant select on "signingKey", migration, routine to tieline_server;

alter table company enable row level security, force row level security;
create policy tenant on company using ((id = request_company()) is true);

alter table "externalSystem" enable row level security, force row level security;
create policy tenant on "externalSystem" using (("companyId" = request_company()) is true);

alter table "externalIntegrationMapping" enable row level security, force row level security;
create policy tenant on "externalIntegrationMapping" using (("companyId" = request_company()) is true);

alter table element enable row level security, force row level security;
create policy tenant on element using (("companyId" = request_company()) is true);

alter table "mappingChange" enable row level security, force row level security;
create policy tenant on "mappingChange" using (("companyId" = request_company()) is true);

alter table "apiKey" enable row level security, force row level security;
create policy tenant on "apiKey" using (("companyId" = request_company()) is true);

alter table "refreshToken" enable row level security, force row level security;
create policy tenant on "refreshToken" using (("companyId" = request_company()) is true);

do $$
begin
    execute format('create policy operator on company to %I using (true)', current_user);
    execute format('create policy operator on "apiKey" to %I using (true)', current_user);
end
$$;
