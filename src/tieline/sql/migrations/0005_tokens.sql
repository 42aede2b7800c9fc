-- Access tokens are signed with the newest key that is not retired; a retired one still verifies what it signed.
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
grant select on "signingKey" to tieline_server;

-- A refresh token is good once. Those that follow from one another are a family: when a spent one comes back, somebody
-- has copied it, and the whole family ends.
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
alter table "refreshToken" enable row level security, force row level security;
create policy tenant on "refreshToken" using ("companyId" = request_company());
grant select, insert, update, delete on "refreshToken" to tieline_server;
