delete from pg_temp."stagedElement"
