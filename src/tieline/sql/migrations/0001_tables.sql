-- The data model: tables, their keys, and the functions that tables and stored rows stand on.

-- Time-ordered to the microsecond, so that new rows land on one side of the index and rows of one batch keep their
-- order; the rest is random. 32 hexadecimal digits: none of them is reserved in a query string or by the dialect.
create function make_id() returns text language sql volatile parallel unsafe as $$
    select lpad(to_hex((extract(epoch from clock_timestamp()) * 1000000)::bigint), 14, '0')
        || right(replace(gen_random_uuid()::text, '-', ''), 18)
$$;

-- The company that the transaction is for. Null when nobody set it, and then row-level security shows nothing.
create function request_company() returns text language sql stable parallel safe as $$
    select nullif(current_setting('tieline.company', true), '')
$$;

-- Two addresses of external systems are the same when only the case of scheme and host, the scheme's own port or a
-- trailing slash tells them apart.
create function canonical_url(url text) returns text language sql immutable parallel safe strict as $$
    select regexp_replace(
        lower(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*')), '^(http://.*):80$|^(https://.*):443$', '\1\2'
    ) || rtrim(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(.*)$'), '/')
$$;

create table company (
    id text constraint company_pkey primary key check (id <> ''),
    name text not null,
    "createdAt" timestamptz not null default now(),
    -- The highest element id that was given so far. It stands here so that the row's lock makes two requests at once
    -- take turns.
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
    constraint "externalSystem_companyId_systemUrl_key" unique ("companyId", "systemUrl"),
    constraint "externalSystem_systemUrl_check" check ("systemUrl" ~* '^https?://[^/?#[:space:]]+[^[:space:]]*$'),
    constraint "externalSystem_linkTemplate_check" check (position('{externalId}' in "linkTemplate") > 0)
);
create unique index "externalSystem_companyId_canonical_key"
    on "externalSystem" ("companyId", tieline.canonical_url("systemUrl"));
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
-- For look-ups that do not name the flag, which the partial index above cannot serve. The external id comes before the
-- entity type, so that it also serves look-ups without a type.
create index "externalIntegrationMapping_externalId_idx" on "externalIntegrationMapping"
    ("companyId", integration, "externalId", "entityType");
-- Autovacuum gathers statistics within a minute of a first import: without them a plan may read a whole company.
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
-- Not unique: every unique index starts with the company, and two keys of 256 random bits are never the same.
create index "apiKey_keyHash_idx" on "apiKey" ("keyHash");

-- No foreign key to company: the history stays when a company is deleted, and is written while its rows go.
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

-- Access tokens are signed with the newest key that is not retired; a retired key still verifies its own tokens.
create table "signingKey" (
    id text constraint "signingKey_pkey" primary key default make_id(),
    -- 244 random bits, folded to the 256 that HS256 takes.
    secret text not null default encode(
        sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'
    ),
    "createdAt" timestamptz not null default now(),
    "retiredAt" timestamptz
);
insert into "signingKey" default values;

-- A refresh token is good once. The tokens that follow from one login are a family: when a spent one comes back, it was
-- copied, and the whole family ends.
create table "refreshToken" (
    "companyId" text not null,
    id text not null default make_id(),
    "familyId" text not null,
    "keyId" text not null,
    "tokenHash" text not null,
    scopes text[] not null,
    "createdAt" timestamptz not null default now(),
    "expiresAt" timestamptz not null,
    "spentAt" timestamptz,
    "revokedAt" timestamptz,
    constraint "refreshToken_pkey" primary key ("companyId", id),
    constraint "refreshToken_key_fkey" foreign key ("companyId", "keyId") references "apiKey" on delete cascade
);
create unique index "refreshToken_tokenHash_key" on "refreshToken" ("companyId", "tokenHash");
create index "refreshToken_familyId_idx" on "refreshToken" ("companyId", "familyId");
