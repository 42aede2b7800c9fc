copy pg_temp."stagedElement" (line, given, id, title, "creationTime", "modificationDate") from stdin
