-- Counts of mappings by entity type and system, so that `coverage` need not read them all. Writers only append: each
-- statement adds a row to mappingDelta, which no other writer waits for. The rows are folded into mappingCount and
-- entityCount now and then (see fold_counts). A reader adds up both.

-- The counts stand for all mappings of the company. False only until they are counted for the first time.
alter table company add column "isCounted" boolean not null default false;

-- After that time since its last synchronisation, a mapping in this system is old.
alter table "externalSystem" add column "staleAfterSeconds" integer
    constraint "externalSystem_staleAfterSeconds_check" check ("staleAfterSeconds" > 0);

-- The id as mappings have it, in whose order known entities are paged.
alter table element add column "entityId" text generated always as (id::text) stored;
create index "element_entityId_idx" on element ("companyId", "entityId");

-- For the oldest and the newest synchronisation of linked mappings. A mapping that was never synchronised has no entry.
create index "externalIntegrationMapping_lastSyncedAt_idx" on "externalIntegrationMapping"
    ("companyId", "entityType", integration, "lastSyncedAt")
    where "lastSyncedAt" is not null and ("externalId" is not null or link is not null);
-- The few mappings whose external id was taken, which `unlinked` lists beside entities without a mapping.
create index "externalIntegrationMapping_emptied_idx" on "externalIntegrationMapping"
    ("companyId", "entityType", integration, "entityId") where "externalId" is null and link is null;

-- Counts of linked mappings but for `mappings`, which counts all. `timely`: synchronised, and not changed over there
-- since; old or current. `syncedHour`: the hour of the last synchronisation of the timely ones, else -infinity.
create table "mappingCount" (
    "companyId" text not null,
    "entityType" text not null,
    integration text not null,
    "syncedHour" timestamptz not null,
    mappings bigint not null,
    linked bigint not null,
    shared bigint not null,
    never bigint not null,
    "remoteNewer" bigint not null,
    timely bigint not null,
    constraint "mappingCount_pkey" primary key ("companyId", "entityType", integration, "syncedHour")
);
-- The entities that are known: mapped anywhere, or registered.
create table "entityCount" (
    "companyId" text not null,
    "entityType" text not null,
    known bigint not null,
    constraint "entityCount_pkey" primary key ("companyId", "entityType")
);
-- What a statement changed. `entered` and `gone`: the entities of the mappings that came and went. A registered element
-- counts as a mapping of its entity without an integration.
create table "mappingDelta" (
    "companyId" text not null,
    id text not null default make_id(),
    "entityType" text not null,
    integration text,
    "syncedHour" timestamptz not null,
    mappings bigint not null,
    linked bigint not null,
    shared bigint not null,
    never bigint not null,
    "remoteNewer" bigint not null,
    timely bigint not null,
    entered text[] not null,
    gone text[] not null,
    constraint "mappingDelta_pkey" primary key ("companyId", id)
);
-- Its rows are soon deleted again, so it is to stay small.
alter table "mappingDelta" set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

grant update ("isCounted") on company to tieline_server;
grant select, insert, update, delete on "mappingCount", "entityCount", "mappingDelta" to tieline_server;

alter table "mappingCount" enable row level security, force row level security;
create policy tenant on "mappingCount" using (("companyId" = request_company()) is true);
alter table "entityCount" enable row level security, force row level security;
create policy tenant on "entityCount" using (("companyId" = request_company()) is true);
alter table "mappingDelta" enable row level security, force row level security;
create policy tenant on "mappingDelta" using (("companyId" = request_company()) is true);

-- For a dump: see backup_policies.
do $$
declare
    found text;
begin
    foreach found in array array['mappingCount', 'entityCount', 'mappingDelta'] loop
        execute format(
            'create policy backup on %I for select to %I using ((current_setting(''tieline.backup'', true) = ''on'') is true)',
            found, current_user
        );
    end loop;
end
$$;
