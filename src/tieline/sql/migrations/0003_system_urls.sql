-- Two addresses of external systems are the same when only the case of scheme and host, the scheme's own port or a
-- trailing slash tells them apart.
create function canonical_url(url text) returns text language sql immutable parallel safe strict as $$
    select regexp_replace(
        lower(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*')), '^(http://.*):80$|^(https://.*):443$', '\1\2'
    ) || rtrim(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(.*)$'), '/')
$$;

alter table "externalSystem"
    add constraint "externalSystem_systemUrl_check" check ("systemUrl" ~* '^https?://[^/?#[:space:]]+[^[:space:]]*$'),
    add constraint "externalSystem_linkTemplate_check" check (position('{externalId}' in "linkTemplate") > 0);
create unique index "externalSystem_companyId_canonical_key"
    on "externalSystem" ("companyId", tieline.canonical_url("systemUrl"));
