delete from pg_temp."stagedSystem"
