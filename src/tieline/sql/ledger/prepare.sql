create schema if not exists tieline;
create table if not exists tieline.migration (
    name text constraint migration_pkey primary key,
    sha256 text not null,
    "appliedAt" timestamptz not null default now()
);
create table if not exists tieline.routine (
    name text constraint routine_pkey primary key,
    sha256 text not null,
    "appliedAt" timestamptz not null default now()
);
