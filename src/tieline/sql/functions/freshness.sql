-- The freshness of a mapping: never synchronised, changed over there since, older than its system allows, or current.
create or replace function freshness(
    synced_at timestamptz, remote_updated_at timestamptz, stale_after_seconds integer, moment timestamptz
)
    returns text language sql immutable parallel safe as $$
    select case when synced_at is null then 'never' when remote_updated_at > synced_at then 'remoteNewer'
        when synced_at < moment - make_interval(secs => stale_after_seconds) then 'old' else 'current' end
$$;
