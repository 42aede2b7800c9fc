delete from pg_temp."stagedMapping"
