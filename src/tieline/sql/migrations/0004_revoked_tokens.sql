-- Access tokens that were revoked before they expired: by their own id (jti), or all of a login by the id of its family.
create table "revokedToken" (
    "companyId" text not null,
    id text not null,
    "keyId" text not null,
    "expiresAt" timestamptz not null,
    constraint "revokedToken_pkey" primary key ("companyId", id),
    constraint "revokedToken_key_fkey" foreign key ("companyId", "keyId") references "apiKey" on delete cascade
);
create index "revokedToken_keyId_idx" on "revokedToken" ("companyId", "keyId");

grant select, insert, update, delete on "revokedToken" to tieline_server;
alter table "revokedToken" enable row level security, force row level security;
create policy tenant on "revokedToken" using (("companyId" = request_company()) is true);
