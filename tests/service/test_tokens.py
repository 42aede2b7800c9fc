"""OAuth2 client credentials: tokens for keys, on both faces."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

AT_ONCE = 32


@pytest.fixture
def key_id(acme):
    """The id of the company's writing key."""
    return acme.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and name = 'api.write'""", acme.id
    )[0][0]


@pytest.fixture
def credentials(acme, key_id):
    """The fields that a client sends for a token."""
    return {"grant_type": "client_credentials", "client_id": key_id, "client_secret": acme.keys["api.write"]}


@pytest.fixture
def tokens(server):
    """A client without a key, at the endpoints for tokens."""
    with httpx.Client(base_url=f"{server.url}/api/v2/auth", timeout=60) as opened:
        yield opened


def bearer(answer):
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.mark.parametrize("form", ["json", "data"])
def test_a_key_gives_a_token_for_json_and_for_a_form(tokens, credentials, form):
    answer = tokens.post("/token", **{form: credentials})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert token["token_type"] == "Bearer"
    assert token["expires_in"] == 3600
    assert token["scope"] == "api.read api.write"
    assert token["access_token"].count(".") == 2
    assert token["refresh_token"]


def test_client_id_and_secret_may_come_as_basic_credentials(tokens, credentials):
    basic = httpx.BasicAuth(credentials["client_id"], credentials["client_secret"])
    answer = tokens.post("/token", data={"grant_type": "client_credentials"}, auth=basic)
    assert answer.status_code == 200


def test_a_token_opens_both_faces_for_its_company_alone(tokens, credentials, acme, other):
    acme.has_element(7)
    other.has_element(8)
    headers = bearer(tokens.post("/token", json=credentials))
    listed = httpx.get(f"{acme.server.url}/api/v2/elements", headers=headers).json()
    assert [element["id"] for element in listed["content"]] == [7]
    companies = httpx.get(f"{acme.server.url}/company?select=id", headers=headers).json()
    assert companies == [{"id": acme.id}]


def test_a_narrower_scope_may_be_asked_for_and_holds(tokens, credentials, acme):
    answer = tokens.post("/token", json={**credentials, "scope": "api.read"})
    assert answer.json()["scope"] == "api.read"
    refused = httpx.post(f"{acme.server.url}/api/v2/elements", headers=bearer(answer), json={"title": "x"})
    assert refused.status_code == 403


def test_a_wider_scope_than_the_keys_is_refused(tokens, credentials):
    answer = tokens.post("/token", json={**credentials, "scope": "api.admin"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("change", "status", "slug", "error"),
    [
        ({"client_secret": "tl_" + "x" * 43}, 401, "unauthorized", "invalid_client"),
        ({"client_id": "key_of_nobody"}, 401, "unauthorized", "invalid_client"),
        ({"grant_type": "password"}, 400, "bad-request", "unsupported_grant_type"),
        ({"grant_type": None}, 400, "missing-parameter", "invalid_request"),
        ({"client_id": None}, 400, "missing-parameter", "invalid_request"),
        ({"client_secret": None}, 400, "missing-parameter", "invalid_request"),
    ],
)
def test_wrong_credentials_are_refused_in_the_words_of_both_standards(tokens, credentials, change, status, slug, error):
    given = {name: value for name, value in {**credentials, **change}.items() if value is not None}
    answer = tokens.post("/token", data=given)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith(f"/docs/errors/{slug}")
    assert answer.json()["error"] == error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"grant_type": 7}', b"\xff"])
def test_a_body_that_is_none_is_a_problem(tokens, body):
    answer = tokens.post("/token", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_a_refresh_token_is_good_once(tokens, credentials):
    first = tokens.post("/token", json=credentials).json()["refresh_token"]
    second = tokens.post("/refresh", json={"refresh_token": first})
    assert second.status_code == 200
    assert second.json()["scope"] == "api.read api.write"
    assert second.json()["refresh_token"] != first


def test_a_spent_refresh_token_ends_its_whole_family_and_no_other(tokens, credentials):
    first = tokens.post("/token", json=credentials).json()["refresh_token"]
    unrelated = tokens.post("/token", json=credentials).json()["refresh_token"]
    second = tokens.post("/refresh", json={"refresh_token": first}).json()["refresh_token"]
    reused = tokens.post("/refresh", json={"refresh_token": first})
    assert reused.status_code == 401
    assert reused.json()["type"].endswith("/unauthorized")
    assert tokens.post("/refresh", json={"refresh_token": second}).status_code == 401
    assert tokens.post("/refresh", json={"refresh_token": unrelated}).status_code == 200


def test_of_many_refreshes_of_one_token_at_once_exactly_one_wins(tokens, credentials):
    first = tokens.post("/token", json=credentials).json()["refresh_token"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = list(
            pool.map(lambda _: tokens.post("/refresh", json={"refresh_token": first}).status_code, range(AT_ONCE))
        )
    assert sorted(statuses) == [200] + [401] * (AT_ONCE - 1)


@pytest.mark.parametrize("token", ["", "tr_", "tr_%%%.x", "tr_YWNtZQ.unknown", "no token", "\x00", "tr_" + "A" * 9000])
def test_an_unknown_refresh_token_is_unauthorized(tokens, token):
    assert tokens.post("/refresh", json={"refresh_token": token}).status_code in {400, 401}


def test_revoking_the_key_ends_its_tokens_within_a_second(tokens, credentials, acme, key_id):
    answer = tokens.post("/token", json=credentials)
    elements = f"{acme.server.url}/api/v2/elements"
    assert httpx.get(elements, headers=bearer(answer)).status_code == 200
    acme.database.execute(
        """update tieline."apiKey" set "revokedAt" = now() where "companyId" = %s and id = %s""", acme.id, key_id
    )
    time.sleep(1.1)
    refused = httpx.get(elements, headers=bearer(answer))
    assert refused.status_code == 401
    assert refused.json()["type"].endswith("/token-revoked")
    again = tokens.post("/refresh", json={"refresh_token": answer.json()["refresh_token"]})
    assert again.json()["type"].endswith("/token-revoked")
    assert tokens.post("/token", json=credentials).status_code == 401


def test_a_token_that_was_changed_is_no_token(tokens, credentials, acme):
    head, claims, signature = tokens.post("/token", json=credentials).json()["access_token"].split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**said, "company": "another"}).encode()).decode().rstrip("=")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for token in (f"{head}.{forged}.{signature}", f"{unsigned}.{claims}.", f"{head}.{claims}.AAAA", "a.b.c", ".."):
        answer = httpx.get(f"{acme.server.url}/api/v2/elements", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def test_neither_keys_nor_tokens_are_stored_or_logged(tokens, credentials, acme):
    answer = tokens.post("/token", json=credentials).json()
    httpx.get(f"{acme.server.url}/api/v2/elements", headers={"authorization": f"Bearer {answer['access_token']}"})
    time.sleep(0.3)
    kept = str(acme.database.execute('select t::text from tieline."refreshToken" t'))
    kept += str(acme.database.execute('select k::text from tieline."apiKey" k'))
    kept += acme.server.log.read_text()
    for secret in (credentials["client_secret"], answer["access_token"], answer["refresh_token"]):
        assert secret not in kept
