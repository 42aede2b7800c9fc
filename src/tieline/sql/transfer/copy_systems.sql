copy pg_temp."stagedSystem" (
    line, given, integration, name, "systemUrl", "linkTemplate", "isDefault", active, metadata
) from stdin
