-- The numbers that a mapping adds to the counts: see the table mappingCount.
create or replace function mapping_facts(
    external_id text, link text, is_shared boolean, synced_at timestamptz, remote_updated_at timestamptz
)
    returns table (
        "syncedHour" timestamptz, linked integer, shared integer, never integer, "remoteNewer" integer, timely integer
    )
    language sql immutable parallel safe as $$
    select case when coalesce(external_id, link) is null or synced_at is null or remote_updated_at > synced_at
            then '-infinity' else date_trunc('hour', synced_at, 'UTC') end,
        (coalesce(external_id, link) is not null)::integer,
        (external_id is not null and is_shared)::integer,
        (coalesce(external_id, link) is not null and synced_at is null)::integer,
        (coalesce(external_id, link) is not null and coalesce(remote_updated_at > synced_at, false))::integer,
        (coalesce(external_id, link) is not null and synced_at is not null
            and not coalesce(remote_updated_at > synced_at, false))::integer
$$;
