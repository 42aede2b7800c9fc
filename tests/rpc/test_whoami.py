"""whoami says which company and key a caller has, and what the key or the token may do."""

import pytest

from conftest import make_key


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("api.read", ["api.read"]),
        ("api.write", ["api.read", "api.write"]),
        ("api.admin", ["api.read", "api.write", "api.admin"]),
    ],
)
def test_whoami_tells_the_company_the_key_and_all_scopes_that_it_includes(acme, scope, scopes):
    with acme.client(scope) as client:
        answer = client.get("/rpc/whoami")
        assert client.post("/rpc/whoami", json={}).json() == answer.json()
        assert client.post("/rpc/whoami", data={}).json() == answer.json()
    key_id = acme.database.execute(
        'select id from tieline."apiKey" where "companyId" = %s and name = %s', acme.id, scope
    )[0][0]
    assert answer.json() == {
        "companyId": acme.id,
        "companyName": "A company",
        "keyId": key_id,
        "keyName": scope,
        "scopes": scopes,
        "rateLimitPerMinute": int(answer.headers["x-ratelimit-limit"]),
        "expiresAt": None,
        "isStrict": False,
    }


def test_a_key_with_a_rate_and_an_end_of_its_own_says_so(acme, database):
    acme.keys["own"] = make_key(database, acme.id, "api.read", rateLimit=77, expiresAt="2999-01-01T00:00:00Z")
    with acme.client("own") as client:
        said = client.get("/rpc/whoami").json()
    assert (said["rateLimitPerMinute"], said["expiresAt"]) == (77, "2999-01-01T00:00:00+00:00")


def test_a_token_has_its_own_scopes_and_ends_before_its_key(acme):
    with acme.client("api.write") as client:
        key_id, secret = client.get("/rpc/whoami").json()["keyId"], acme.keys["api.write"]
        asked = {"client_id": key_id, "client_secret": secret, "grant_type": "client_credentials", "scope": "api.read"}
        token = client.post("/api/v2/auth/token", json=asked).json()["access_token"]
        said = client.get("/rpc/whoami", headers={"Authorization": f"Bearer {token}"}).json()
    assert (said["keyName"], said["scopes"]) == ("api.write", ["api.read"])
    assert said["expiresAt"] is not None


def test_each_caller_hears_of_itself_alone(acme, other):
    for company in (acme, other):
        with company.client("api.read") as client:
            assert client.get("/rpc/whoami").json()["companyId"] == company.id


def test_whoami_answers_in_the_forms_of_other_calls(client):
    assert client.get("/rpc/whoami", params={"select": "scopes,n:keyName"}).json() == {
        "scopes": ["api.read", "api.write", "api.admin"],
        "n": "api.admin",
    }
    table = client.get("/rpc/whoami", params={"select": "keyName,scopes"}, headers={"Accept": "text/csv"})
    assert table.text == 'keyName,scopes\napi.admin,"{api.read,api.write,api.admin}"'
    assert client.head("/rpc/whoami").status_code == 200
    assert client.get("/rpc/whoami", params={"key": "x"}).status_code == 404
    assert client.get("/rpc/whoami", headers={"Authorization": "Bearer tl_x"}).status_code == 401
