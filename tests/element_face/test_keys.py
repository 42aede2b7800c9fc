"""Keys and scopes of the element face."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from conftest import make_key
from refusals import refused

ELEMENTS = "/api/v2/elements"
REQUESTS = [
    ("GET", ELEMENTS, "api.read"),
    ("GET", f"{ELEMENTS}/7", "api.read"),
    ("GET", f"{ELEMENTS}/7/external-elements", "api.read"),
    ("POST", ELEMENTS, "api.write"),
    ("PATCH", f"{ELEMENTS}/7", "api.write"),
    ("DELETE", f"{ELEMENTS}/7", "api.write"),
    ("POST", f"{ELEMENTS}/7/external-element/link", "api.write"),
    ("POST", f"{ELEMENTS}/7/external-element/unlink", "api.write"),
]


def get(acme, **headers) -> httpx.Response:
    return httpx.get(acme.server.url + ELEMENTS, headers=headers)


@pytest.mark.parametrize(("method", "path", "_scope"), REQUESTS)
def test_a_request_without_a_key_is_unauthorized(acme, method, path, _scope):
    response = httpx.request(method, acme.server.url + path)
    refused(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer tl_" + "x" * 43},
        {"authorization": "Bearer"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer " + "x" * 9000},
        {"authorization": "Bearer \u00e9".encode("latin-1")},
        {"authorization": "Bearer a.b.c"},
        {"apikey": ""},
        {"apikey": "x"},
    ],
)
def test_a_text_that_is_not_a_key_is_unauthorized(acme, headers):
    response = get(acme, **headers)
    refused(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR   "])
def test_the_scheme_of_a_bearer_key_may_be_in_any_case(acme, scheme):
    assert get(acme, authorization=scheme + acme.keys["api.read"]).status_code == 200


def test_a_key_may_come_as_apikey_and_the_standard_header_goes_first(acme, other):
    assert get(acme, apikey=acme.keys["api.read"]).status_code == 200
    other.has_element(5)
    theirs = other.keys["api.read"]
    response = get(acme, authorization=f"Bearer {theirs}", apikey=acme.keys["api.read"])
    assert [element["id"] for element in response.json()["content"]] == [5]
    assert get(acme, authorization="Bearer nonsense", apikey=acme.keys["api.read"]).status_code == 401


@pytest.mark.parametrize(("method", "path", "needed"), REQUESTS)
def test_each_scope_includes_those_before_it_and_a_lower_one_is_denied(acme, method, path, needed):
    scopes = ["api.read", "api.write", "api.admin"]
    for scope in scopes:
        with acme.client(scope) as caller:
            response = caller.request(method, path)
        if scopes.index(scope) < scopes.index(needed):
            refused(response, 403, "access-denied")
            assert needed in response.json()["detail"]
        else:
            assert response.status_code not in (401, 403)


def test_a_reader_changes_nothing(acme, client):
    acme.has_system("crm", "https://crm.example")
    acme.has_element(7)
    client.post(f"{ELEMENTS}/7/external-element/link", json={"externalId": "A"})
    before = client.get(f"{ELEMENTS}/7").json()
    with acme.client("api.read") as reader:
        for response in (
            reader.post(ELEMENTS, json={"title": "x"}),
            reader.patch(f"{ELEMENTS}/7", json={"title": "x"}),
            reader.delete(f"{ELEMENTS}/7"),
            reader.post(f"{ELEMENTS}/7/external-element/link", json={"externalId": "B"}),
            reader.post(f"{ELEMENTS}/7/external-element/unlink"),
        ):
            refused(response, 403, "access-denied")
    assert client.get(ELEMENTS).json()["content"] == [before]


def test_an_expired_key_is_unauthorized(acme):
    past = datetime.now(UTC) - timedelta(seconds=1)
    key = make_key(acme.database, acme.id, "api.read", expiresAt=past)
    refused(get(acme, apikey=key), 401, "unauthorized")


def test_a_key_that_expires_while_it_is_in_use_ends_on_time(acme):
    key = make_key(acme.database, acme.id, "api.read", expiresAt=datetime.now(UTC) + timedelta(seconds=2))
    assert get(acme, apikey=key).status_code == 200
    time.sleep(2.1)
    refused(get(acme, apikey=key), 401, "unauthorized")


def test_a_revoked_key_ends_within_a_second(acme):
    key = make_key(acme.database, acme.id, "api.read", id="revoked-soon")
    assert get(acme, apikey=key).status_code == 200
    acme.database.execute(
        'update tieline."apiKey" set "revokedAt" = now() where "companyId" = %s and id = %s', acme.id, "revoked-soon"
    )
    time.sleep(1.05)
    refused(get(acme, apikey=key), 401, "unauthorized")


def test_a_key_of_another_company_sees_that_company(acme, other):
    acme.has_element(1)
    with other.client() as theirs:
        assert theirs.get(ELEMENTS).json()["content"] == []


def test_the_history_names_the_key_that_linked(acme):
    acme.has_system("crm", "https://crm.example")
    acme.has_element(7)
    key = make_key(acme.database, acme.id, "api.write", id="the-importer")
    response = httpx.post(
        f"{acme.server.url}{ELEMENTS}/7/external-element/link", json={"externalId": "A"}, headers={"apikey": key}
    )
    assert response.status_code == 200
    assert [actor for *_, actor in acme.changes()] == ["the-importer"]
