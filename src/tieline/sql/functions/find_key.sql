-- The key with a hash, across companies: the company of a request is known only once its key is found. It runs as the
-- owner, who sees all keys.
create or replace function find_key(hash text)
    returns table (
        "companyId" text, id text, name text, scopes text[], "rateLimit" integer, "expiresAt" timestamptz,
        "revokedAt" timestamptz
    )
    language plpgsql stable security definer rows 1 set search_path = pg_catalog, tieline as $$
#variable_conflict use_column
begin
    return query
    select k."companyId", k.id, k.name, k.scopes, k."rateLimit", k."expiresAt", k."revokedAt"
    from tieline."apiKey" k
    where k."keyHash" = hash;
end
$$;
revoke execute on function find_key (text) from public;
grant execute on function find_key (text) to tieline_server;
