-- The whole data model: tables, their keys, row-level security and the history of mappings.
-- Applied once, by the owner of the schema. Requests are served by the role tieline_server, which owns nothing.

create sequence mapping_id_step maxvalue 16777215 cycle;

-- Time-ordered, so that new rows land on one side of the index; the step keeps the order within a millisecond, as
-- rows of one batch share it. Hex only: no character of it is reserved in a query string or by the dialect.
create function make_id() returns text language sql volatile parallel unsafe as $$
    select lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
        || lpad(to_hex(nextval('tieline.mapping_id_step')), 6, '0')
        || right(replace(gen_random_uuid()::text, '-', ''), 12)
$$;

-- Whom the transaction is for; null when nobody said so, and then row-level security shows nothing.
create function request_company() returns text language sql stable parallel safe as $$
    select nullif(current_setting('tieline.company', true), '')
$$;

create table company (
    id text constraint company_pkey primary key check (id <> ''),
    name text not null,
    "createdAt" timestamptz not null default now(),
    -- The highest element id given out so far. On the company, so that the row's lock makes two at once take turns.
    "lastElementId" bigint not null default 0
);

create table "externalSystem" (
    "companyId" text not null default request_company() references company on delete cascade,
    integration text not null check (integration <> ''),
    name text not null,
    "systemUrl" text,
    "isDefault" boolean not null default false,
    active boolean not null default true,
    "linkTemplate" text,
    metadata jsonb,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now(),
    constraint "externalSystem_pkey" primary key ("companyId", integration),
    constraint "externalSystem_companyId_systemUrl_key" unique ("companyId", "systemUrl")
);
create unique index "externalSystem_companyId_isDefault_key" on "externalSystem" ("companyId") where "isDefault";

create table "externalIntegrationMapping" (
    id text not null default make_id(),
    "entityType" text not null,
    "entityId" text not null,
    integration text not null,
    "externalId" text,
    "allowDuplicateExternalId" boolean not null default false,
    metadata jsonb,
    "lastSyncedAt" timestamptz,
    "remoteUpdatedAt" timestamptz,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now(),
    "createdBy" text,
    "companyId" text not null default request_company() references company on delete cascade,
    "updatedBy" text,
    link text,
    constraint "externalIntegrationMapping_pkey" primary key ("companyId", id),
    constraint "externalIntegrationMapping_entity_key" unique ("companyId", "entityType", "entityId", integration)
);
create unique index "externalIntegrationMapping_externalId_key" on "externalIntegrationMapping"
    ("companyId", integration, "entityType", "externalId") where not "allowDuplicateExternalId";
-- For look-ups that do not name the flag: the partial index above cannot serve them. The external id comes before the
-- type, so that it serves those that do not name the type either, and is never mistaken for the entity's key while a
-- table that was just filled has no statistics.
create index "externalIntegrationMapping_externalId_idx" on "externalIntegrationMapping"
    ("companyId", integration, "externalId", "entityType");
-- Statistics follow a first import within the minute: without them a plan may read a whole company.
alter table "externalIntegrationMapping" set (autovacuum_analyze_scale_factor = 0.02);

create table element (
    "companyId" text not null default request_company() references company on delete cascade,
    id bigint not null check (id > 0),
    title text not null,
    "creationTime" timestamptz not null default now(),
    "modificationDate" timestamptz not null default now(),
    constraint "element_pkey" primary key ("companyId", id)
);

create table "apiKey" (
    "companyId" text not null references company on delete cascade,
    id text not null,
    name text not null,
    "keyHash" text not null,
    "keyPreview" text not null,
    scopes text[] not null check (scopes <@ array['api.read', 'api.write', 'api.admin'] and cardinality(scopes) > 0),
    "rateLimit" integer check ("rateLimit" > 0),
    "createdAt" timestamptz not null default now(),
    "expiresAt" timestamptz,
    "lastUsedAt" timestamptz,
    "revokedAt" timestamptz,
    constraint "apiKey_pkey" primary key ("companyId", id)
);
-- Not unique: every unique index starts with the company, and two keys of 256 random bits do not meet.
create index "apiKey_keyHash_idx" on "apiKey" ("keyHash");

-- No foreign key to company: what happened stays known while a company's rows go, and the trigger below can still
-- write while they do.
create table "mappingChange" (
    "companyId" text not null,
    position bigint generated always as identity,
    "mappingId" text not null,
    operation text not null check (operation in ('insert', 'update', 'delete')),
    before jsonb,
    after jsonb,
    actor text,
    "requestId" text,
    at timestamptz not null default clock_timestamp(),
    -- Readers that follow the history stop below the oldest running transaction: positions commit out of order.
    "transactionId" xid8 not null default pg_current_xact_id(),
    constraint "mappingChange_pkey" primary key ("companyId", position)
);
create index "mappingChange_mappingId_idx" on "mappingChange" ("companyId", "mappingId", position);
