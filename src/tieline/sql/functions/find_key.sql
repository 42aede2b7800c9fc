-- Whose company a request is for is known only once its key is: the one question that is asked across companies, so
-- it runs as the owner and gives the row of a key to whoever knows the key's hash.
create or replace function find_key(hash text) returns setof "apiKey" language sql stable security definer
    set search_path = pg_catalog, tieline
    as $$ select * from tieline."apiKey" where "keyHash" = hash $$;
revoke execute on function find_key(text) from public;
grant execute on function find_key(text) to tieline_server;
