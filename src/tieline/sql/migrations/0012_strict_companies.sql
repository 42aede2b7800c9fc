-- A strict company takes mappings of its own external systems only; see require_systems.
alter table company add column "isStrict" boolean not null default false;
grant update (name, "isStrict") on company to tieline_server;
