"""OAuth2 as standard libraries use it: refreshing by itself, revoking, metadata, errors in the standard's words."""

import base64
import time

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from conftest import serving

BASIC, POST = "client_secret_basic", "client_secret_post"
METADATA = "/.well-known/oauth-authorization-server"
# A worker may accept a revoked token for as long as it remembers keys.
REMEMBERED_SECONDS = 1.1


def key_id(company, scope: str = "api.write") -> str:
    found = company.database.execute(
        """select id from tieline."apiKey" where "companyId" = %s and name = %s""", company.id, scope
    )
    return found[0][0]


def credentials(company, scope: str = "api.write") -> dict[str, str]:
    return {"client_id": key_id(company, scope), "client_secret": company.keys[scope]}


@pytest.fixture
def auth(server):
    """A client without a key, at the endpoints for tokens."""
    with httpx.Client(base_url=f"{server.url}/api/v2/auth", timeout=60) as opened:
        yield opened


@pytest.fixture
def token(auth, acme):
    """A token of the company's writing key."""
    return auth.post("/token", data={"grant_type": "client_credentials", **credentials(acme)}).json()


def status_with(company, access_token: str) -> int:
    return httpx.get(f"{company.server.url}/company", headers={"apikey": access_token}).status_code


@pytest.mark.parametrize("method", [BASIC, POST])
def test_authlib_fetches_refreshes_by_itself_and_revokes(acme, method):
    told = httpx.get(f"{acme.server.url}{METADATA}").json()
    assert method in told["token_endpoint_auth_methods_supported"]
    kept = []
    client = OAuth2Session(
        **credentials(acme),
        scope="api.read",
        token_endpoint=told["token_endpoint"],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        update_token=lambda token, **_: kept.append(token),
    )
    with client:
        first = client.fetch_token(told["token_endpoint"], grant_type="client_credentials")
        assert first["scope"] == "api.read"
        assert client.get(f"{acme.server.url}/company?select=id").json() == [{"id": acme.id}]
        # The library refreshes before a request with a token that has expired.
        client.token["expires_at"] = 1
        assert client.get(f"{acme.server.url}/company?select=id").json() == [{"id": acme.id}]
        assert len(kept) == 1
        assert kept[0]["access_token"] != first["access_token"]
        assert kept[0]["scope"] == "api.read"
        last = kept[0]["refresh_token"]
        assert (
            client.revoke_token(told["revocation_endpoint"], last, token_type_hint="refresh_token").status_code == 200
        )
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(told["token_endpoint"], refresh_token=last)
        time.sleep(REMEMBERED_SECONDS)
        assert client.get(f"{acme.server.url}/company").status_code == 401


def test_the_metadata_name_the_address_by_which_the_client_came(acme):
    told = httpx.get(f"{acme.server.url}{METADATA}").json()
    assert told["issuer"] == acme.server.url
    assert told["token_endpoint"] == f"{acme.server.url}/api/v2/auth/token"
    assert told["revocation_endpoint"] == f"{acme.server.url}/api/v2/auth/revoke"
    assert told["grant_types_supported"] == ["client_credentials", "refresh_token"]
    assert told["response_types_supported"] == []
    assert httpx.get(told["service_documentation"]).status_code == 200
    behind = {"x-forwarded-proto": "https", "host": "tieline.example"}
    assert httpx.get(f"{acme.server.url}{METADATA}", headers=behind).json()["issuer"] == "https://tieline.example"


def test_a_setting_names_the_issuer(database, open_folder):
    with serving(open_folder, database, TIELINE_PUBLIC_URL="https://tieline.example/") as server:
        told = httpx.get(f"{server.url}{METADATA}").json()
    assert told["issuer"] == "https://tieline.example"
    assert told["token_endpoint"] == "https://tieline.example/api/v2/auth/token"


@pytest.mark.parametrize("how", ["basic", "fields", "the token alone"])
def test_the_token_endpoint_refreshes(auth, acme, token, how):
    given = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    own = credentials(acme)
    basic = httpx.BasicAuth(*own.values()) if how == "basic" else None
    answer = auth.post("/token", data=given | (own if how == "fields" else {}), auth=basic)
    assert answer.status_code == 200
    assert answer.json()["scope"] == token["scope"]
    assert status_with(acme, answer.json()["access_token"]) == 200


def test_a_refresh_may_ask_for_less_and_not_for_more(auth, token):
    given = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    refused = auth.post("/token", data=given | {"scope": "api.admin"})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    # The refusal has not spent it.
    narrowed = auth.post("/token", data=given | {"scope": "api.read"}).json()
    assert narrowed["scope"] == "api.read"
    again = auth.post("/token", data=given | {"refresh_token": narrowed["refresh_token"]})
    assert again.json()["scope"] == token["scope"]


def test_a_refresh_token_is_not_for_another_client_and_stays_good(auth, acme, other, token):
    given = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    for wrong in (credentials(acme, "api.admin"), credentials(other), {"client_id": key_id(other)}):
        refused = auth.post("/token", data=given | wrong)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert auth.post("/token", data=given | credentials(acme)).status_code == 200


def test_a_spent_refresh_token_ends_the_access_tokens_of_its_login_too(auth, acme, token):
    given = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    following = auth.post("/token", data=given).json()
    reused = auth.post("/token", data=given)
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    time.sleep(REMEMBERED_SECONDS)
    assert status_with(acme, following["access_token"]) == 401
    assert status_with(acme, acme.keys["api.write"]) == 200


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "something_else"])
def test_a_revoked_access_token_ends_alone(auth, acme, token, hint):
    assert status_with(acme, token["access_token"]) == 200
    given = {"token": token["access_token"], **({"token_type_hint": hint} if hint else {})}
    revoked = auth.post("/revoke", data=given, auth=httpx.BasicAuth(*credentials(acme).values()))
    assert revoked.status_code == 200
    # On the worker that took the request, at once.
    refused = httpx.get(f"{acme.server.url}/api/v2/elements", headers={"apikey": token["access_token"]})
    assert refused.status_code == 401
    assert refused.json()["type"].endswith("/token-revoked")
    assert auth.post("/refresh", json={"refresh_token": token["refresh_token"]}).status_code == 200


def test_a_revoked_refresh_token_ends_its_login_and_no_other(auth, acme, token):
    unrelated = auth.post("/token", data={"grant_type": "client_credentials", **credentials(acme)}).json()
    assert auth.post("/revoke", json={"token": token["refresh_token"], **credentials(acme)}).status_code == 200
    assert auth.post("/refresh", json={"refresh_token": token["refresh_token"]}).status_code == 401
    assert status_with(acme, token["access_token"]) == 401
    assert status_with(acme, unrelated["access_token"]) == 200
    assert auth.post("/refresh", json={"refresh_token": unrelated["refresh_token"]}).status_code == 200


def test_what_is_no_token_is_revoked_already(auth, acme, other, token):
    head, claims, _ = token["access_token"].split(".")
    for unknown in ("x", "a.b.c", f"{head}.{claims}.AAAA", "tr_YWNtZQ.unknown", "tr_%%%.x", "é" * 5000):
        assert auth.post("/revoke", data={"token": unknown, **credentials(acme)}).status_code == 200
    # Another company's token is not there; its holder keeps it.
    for foreign in (token["access_token"], token["refresh_token"]):
        assert auth.post("/revoke", data={"token": foreign, **credentials(other)}).status_code == 200
    assert status_with(acme, token["access_token"]) == 200


def test_a_token_of_another_key_of_the_company_is_not_revoked(auth, acme, token):
    for foreign in (token["access_token"], token["refresh_token"]):
        refused = auth.post("/revoke", data={"token": foreign, **credentials(acme, "api.admin")})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert status_with(acme, token["access_token"]) == 200


def test_revoking_needs_the_client_and_a_token_and_does_not_end_keys(auth, acme, token):
    anonymous = auth.post("/revoke", data={"token": token["access_token"]})
    assert (anonymous.status_code, anonymous.json()["error"]) == (401, "invalid_client")
    nothing = auth.post("/revoke", data=credentials(acme))
    assert (nothing.status_code, nothing.json()["error"]) == (400, "invalid_request")
    key = auth.post("/revoke", data={"token": acme.keys["api.read"], **credentials(acme)})
    assert (key.status_code, key.json()["error"]) == (400, "unsupported_token_type")
    assert status_with(acme, token["access_token"]) == 200


@pytest.mark.parametrize("header", ["Basic !", "Basic eA==", "Basic " + base64.b64encode(b"key_x:tl_y").decode()])
def test_wrong_basic_credentials_are_asked_for_again(auth, header):
    answer = auth.post("/token", data={"grant_type": "client_credentials"}, headers={"authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"] == 'Basic realm="Tieline"'


def test_a_client_authenticates_once(auth, acme):
    own = credentials(acme)
    basic = httpx.BasicAuth(*own.values())
    form = {"grant_type": "client_credentials"}
    assert auth.post("/token", data=form | own, auth=basic).status_code == 200
    refused = auth.post("/token", data=form | {"client_secret": acme.keys["api.read"]}, auth=basic)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("endpoint", ["/token", "/refresh", "/revoke"])
@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ({"files": {"grant_type": (None, "client_credentials")}}, 415, "x-www-form-urlencoded or application/json"),
        (
            {"content": b"x", "headers": {"content-type": "text/plain"}},
            415,
            "x-www-form-urlencoded or application/json",
        ),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "not JSON"),
        ({"data": {"scope": ["a", "b"]}}, 400, "scope is given twice"),
        ({"content": b"a=%ff", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400, "UTF-8"),
        ({"content": b"a=1&" * 30, "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400, "fields"),
        ({"data": {"grant_type": "", "refresh_token": ""}}, (400, 401), ""),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_in_the_words_of_both_standards(auth, endpoint, options, status, says):
    answer = auth.post(endpoint, **options)
    assert answer.status_code in (status if isinstance(status, tuple) else (status,))
    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["status"] == answer.status_code
    assert said["error"] in {"invalid_request", "invalid_client"}
    assert says in said["error_description"]
    assert said["error_description"] == said["detail"]
