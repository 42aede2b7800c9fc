-- Rows of the file that found their mapping, whether or not they changed it.
insert into pg_temp."landedMapping" (id, line)
select * from unnest($1::text[], $2::bigint[])
