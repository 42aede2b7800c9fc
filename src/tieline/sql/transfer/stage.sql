-- Where a batch stands before it lands, and which rows of the file have landed: a later row with the same key must not
-- undo an earlier one. Made by the owner of the session, since a database may forbid others to make temporary tables.
drop table if exists
    pg_temp."stagedMapping", pg_temp."landedMapping",
    pg_temp."stagedElement", pg_temp."landedElement",
    pg_temp."stagedSystem", pg_temp."landedSystem";
create temporary table "stagedMapping" (
    line bigint not null,
    given integer not null,
    "entityType" text not null,
    "entityId" text not null,
    integration text not null,
    "externalId" text,
    "allowDuplicateExternalId" boolean,
    metadata jsonb,
    "lastSyncedAt" timestamptz,
    "remoteUpdatedAt" timestamptz,
    link text,
    id text,
    "createdAt" timestamptz,
    "updatedAt" timestamptz,
    "createdBy" text,
    "updatedBy" text
) on commit delete rows;
create temporary table "landedMapping" (id text primary key, line bigint not null);
create temporary table "stagedElement" (
    line bigint not null,
    given integer not null,
    id bigint,
    title text not null,
    "creationTime" timestamptz,
    "modificationDate" timestamptz
) on commit delete rows;
create temporary table "landedElement" (id bigint primary key, line bigint not null);
create temporary table "stagedSystem" (
    line bigint not null,
    given integer not null,
    integration text not null,
    name text,
    "systemUrl" text,
    "linkTemplate" text,
    "isDefault" boolean,
    active boolean,
    metadata jsonb
) on commit delete rows;
create temporary table "landedSystem" (integration text primary key, line bigint not null);
grant all on
    pg_temp."stagedMapping", pg_temp."landedMapping",
    pg_temp."stagedElement", pg_temp."landedElement",
    pg_temp."stagedSystem", pg_temp."landedSystem" to tieline_server;
