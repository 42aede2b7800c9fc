insert into pg_temp."landedElement" (id, line)
select id, line from pg_temp."stagedElement" where line <> all ($1::bigint[])
