insert into pg_temp."landedSystem" (integration, line)
select integration, line from pg_temp."stagedSystem" where line <> all ($1::bigint[])
