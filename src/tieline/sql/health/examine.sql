-- The version, encoding and order of a database, and if there is a registry in it.
select current_setting('server_version_num')::integer, current_setting('server_version'),
    pg_encoding_to_char(d.encoding), d.datcollate,
    -- True if text sorts by code point; every human language's order differs in this comparison.
    'B' < 'a' and 'a' < 'é',
    extract(epoch from clock_timestamp())::float8,
    to_regclass('tieline.routine') is not null
from pg_database d
where d.datname = current_database()
