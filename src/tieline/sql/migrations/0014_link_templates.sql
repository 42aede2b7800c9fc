-- Templates for the mappings of single entity types, by type; `linkTemplate` is for the others.
alter table "externalSystem" add column "linkTemplates" jsonb
    constraint "externalSystem_linkTemplates_check" check (
        case when jsonb_typeof("linkTemplates") = 'object' then not jsonb_path_exists(
            "linkTemplates",
            '$.keyvalue() ? (@.value.type() != "string" || !(@.value like_regex
                "^https?://[^[:space:]]*[{]externalId[}][^[:space:]]*$" flag "i"))'
        ) else "linkTemplates" is null end
    );
