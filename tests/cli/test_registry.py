# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
import hashlib
import json
import secrets

import pytest
from installed import command, company, new_folder, tieline  # noqa: F401 -- fixtures


def test_a_company_is_added_once_and_listed(command, company):
    again = command("company", "add", company)
    assert (again.code, again.out, again.err) == (1, "", f"There is a company '{company}' already.\n")
    assert company in [line.split("\t")[0] for line in command("company", "list").out.splitlines()]


def test_a_company_that_is_strict_refuses_systems_that_it_does_not_have(command):
    name = f"co-{secrets.token_hex(6)}"
    assert command("company", "add", name, "--strict").code == 0
    [listed] = [one for one in json.loads(command("company", "list", "--json").out) if one["id"] == name]
    assert listed["isStrict"] is True
    command("system", "set", "xero", "--company", name)
    text = "entityType,entityId,integration,externalId\nitem,1,xero,A\nitem,2,xreo,B\n"
    done = command("import", "-", "--company", name, "--what", "mappings", "--format", "csv", stdin=text)
    assert (done.code, done.out[:10]) == (1, "1 created,")
    assert "xreo" in done.err


def test_a_company_is_removed_when_its_id_is_typed_again(command, company, database):
    command("key", "create", "--company", company)
    text = "entityType,entityId,integration,externalId\nitem,1,xero,A\n"
    command("import", "-", "--company", company, "--what", "mappings", "--format", "csv", stdin=text)
    kept = command("company", "remove", company, stdin="another\n")
    assert (kept.code, kept.out) == (1, "")
    assert kept.err.splitlines()[-1] == (
        f"Nothing was removed: 'another' is not {company!r}. Without a terminal, give --yes."
    )
    assert company in command("company", "list").out
    assert command("company", "remove", company, stdin=f"{company}\n").out == f"Removed the company {company}.\n"
    for table in ("externalIntegrationMapping", "mappingChange", "apiKey"):
        assert database.execute(f'select count(*) from tieline."{table}" where "companyId" = %s', company) == [(0,)]
    gone = command("company", "remove", company, "--yes")
    assert (gone.code, gone.err) == (1, f"There is no company {company!r}.\n")
    command("company", "add", company)
    assert command("company", "remove", company, "--yes").code == 0


def test_a_key_is_printed_alone_and_once(command, company, database):
    made = command("key", "create", "--company", company, "--name", "shop", "--scope", "api.write")
    key = made.out.strip()
    assert (made.code, key[:3], len(key)) == (0, "tl_", 46)
    assert key not in made.err
    [row] = database.execute('select id, "keyHash", scopes, name from tieline."apiKey" where "companyId" = %s', company)
    assert row[1:] == (hashlib.sha256(key.encode()).hexdigest(), ["api.write"], "shop")
    listed = command("key", "list", "--company", company).out
    assert row[0] in listed
    assert key not in listed
    assert row[1] not in listed


def test_a_key_has_the_expiry_and_the_limit_that_were_asked_for(command, company, database):
    command("key", "create", "--company", company, "--expires", "2999-01-01T00:00", "--rate-limit", "600/min")
    found = database.execute(
        """select "expiresAt" = '2999-01-01T00:00Z', "rateLimit" from tieline."apiKey" where "companyId" = %s""",
        company,
    )
    assert found == [(True, 600)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--expires", "2001-01-01"], "The key would have expired already: --expires 2001-01-01 is not in the future."),
        (["--expires", "soon"], "--expires 'soon' is not an ISO 8601 time, such as 2030-01-31T12:00:00Z."),
        (["--rate-limit", "0/min"], "The rate limit '0/min' is not a number of requests a minute, such as 600/min."),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_a_sentence(command, company, arguments, sentence):
    refused = command("key", "create", "--company", company, *arguments)
    assert (refused.code, refused.out, refused.err) == (1, "", sentence + "\n")


def test_an_unknown_company_is_refused_with_what_to_do(command):
    sentence = "There is no company 'nobody'. Add it with: tieline company add nobody\n"
    for arguments in (
        ("key", "create", "--company", "nobody"),
        ("system", "set", "xero", "--company", "nobody"),
        ("system", "list", "--company", "nobody"),
        ("system", "remove", "xero", "--company", "nobody"),
        ("export", "--company", "nobody", "--what", "mappings"),
        ("import", "-", "--company", "nobody", "--what", "elements", "--format", "ndjson"),
    ):
        refused = command(*arguments)
        assert (refused.code, refused.out, refused.err) == (1, "", sentence)


def test_a_key_is_revoked_once_and_again_says_since_when(command, company, database):
    command("key", "create", "--company", company)
    [(key_id,)] = database.execute('select id from tieline."apiKey" where "companyId" = %s', company)
    first, second = command("key", "revoke", key_id), command("key", "revoke", key_id)
    assert (first.code, second.code) == (0, 0)
    assert first.out.startswith(f"Revoked the key {key_id} at ")
    assert second.out.startswith(f"The key {key_id} has been revoked since ")
    unknown = command("key", "revoke", "key_nobody")
    assert (unknown.code, unknown.err) == (1, "There is no key 'key_nobody'. `tieline key list` shows the ids.\n")


def test_keys_of_an_unknown_company_are_refused(command, company):
    assert command("key", "list", "--company", company).code == 0
    nobody = command("key", "list", "--company", "nobody")
    assert (nobody.code, nobody.out) == (1, "")
    assert nobody.err == "There is no company 'nobody'. Add it with: tieline company add nobody\n"


def systems(command, company):
    listed = command("system", "list", "--company", company).out
    return {line.split("\t")[0]: line.split("\t")[1:] for line in listed.splitlines()}


def test_a_system_is_set_and_what_is_not_given_stays(command, company):
    command("system", "set", "xero", "--company", company, "--name", "Xero", "--system-url", "https://xero.example")
    template = "https://xero.example/{externalId}"
    command("system", "set", "xero", "--company", company, "--link-template", template, "--inactive")
    assert systems(command, company) == {"xero": ["Xero", "https://xero.example", template, "no", "no"]}
    command("system", "set", "xero", "--company", company, "--active", "--link-template", "")
    assert systems(command, company) == {"xero": ["Xero", "https://xero.example", "", "no", "yes"]}


def test_the_default_moves_from_one_system_to_the_other(command, company):
    command("system", "set", "a", "--company", company, "--default")
    command("system", "set", "b", "--company", company, "--default")
    assert {name: row[3] for name, row in systems(command, company).items()} == {"a": "no", "b": "yes"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--system-url", "xero.example"], "systemUrl must be an absolute http or https address without spaces"),
        (["--link-template", "https://x"], "linkTemplate must contain {externalId}"),
        (["--system-url", "HTTPS://A.example:443/"], "'https://a.example' is held by the system a"),
    ],
)
def test_a_system_that_cannot_be_is_refused_with_a_sentence(command, company, arguments, reason):
    command("system", "set", "a", "--company", company, "--system-url", "https://a.example")
    refused = command("system", "set", "xero", "--company", company, *arguments)
    assert refused.code == 1
    assert refused.err.startswith(f"The external system was not set: {reason}")
    assert list(systems(command, company)) == ["a"]


def test_a_system_says_after_which_time_a_mapping_is_old(command, company):
    def seconds():
        [system] = json.loads(command("system", "list", "--company", company, "--json").out)
        return system["staleAfterSeconds"]

    command("system", "set", "xero", "--company", company, "--stale-after", "3600")
    assert seconds() == 3600
    command("system", "set", "xero", "--company", company, "--name", "Xero")
    assert seconds() == 3600
    command("system", "set", "xero", "--company", company, "--stale-after", "0")
    assert seconds() is None
    refused = command("system", "set", "xero", "--company", company, "--stale-after=-5")
    assert (refused.code, "The external system was not set: " in refused.err) == (1, True)


def test_a_system_has_templates_of_its_own_for_entity_types(command, company):
    def templates():
        [system] = json.loads(command("system", "list", "--company", company, "--json").out)
        return system["linkTemplates"]

    item, order = "https://x.example/i/{externalId}", "https://x.example/o?a=b&id={externalId}"
    of = "--link-template-of"
    command("system", "set", "xero", "--company", company, of, f"item={item}", of, f"po={order}")
    assert templates() == {"item": item, "po": order}
    command("system", "set", "xero", "--company", company, of, "po=")
    assert templates() == {"item": item}
    for given, reason in (("item", "is not TYPE=TEMPLATE"), ("item=https://x.example", "must contain {externalId}")):
        refused = command("system", "set", "xero", "--company", company, of, given)
        assert (refused.code, reason in refused.err) == (1, True)
    assert templates() == {"item": item}


def test_a_removed_system_leaves_its_mappings(command, company, database):
    command("system", "set", "xero", "--company", company)
    text = "entityType,entityId,integration,externalId\nitem,1,xero,A\n"
    command("import", "-", "--company", company, "--what", "mappings", "--format", "csv", stdin=text)
    assert command("system", "remove", "xero", "--company", company).code == 0
    count = 'select count(*) from tieline."externalIntegrationMapping" where "companyId" = %s'
    assert database.execute(count, company) == [(1,)]
    gone = command("system", "remove", "xero", "--company", company)
    assert (gone.code, gone.err) == (1, f"The company {company} has no external system 'xero'.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["compny"],
        ["key", "create"],
        ["company", "add"],
        ["key", "create", "--company", "a", "--scope", "all"],
        ["--nope"],
    ],
)
def test_wrong_usage_exits_2_and_says_so_on_stderr(command, arguments):
    ended = command(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_a_key_that_never_expires_is_listed_without_an_expiry(command, company, database):
    command("key", "create", "--company", company)
    database.execute("""update tieline."apiKey" set "expiresAt" = 'infinity' where "companyId" = %s""", company)
    listed = command("key", "list", "--company", company)
    assert listed.code == 0
    assert listed.out.split("\t")[7] == ""
