"""Each limit is answered with its status and a sentence; requests within it pass."""

import socket
import threading
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from conftest import Company, make_key, serving
from refusals import refused

ELEMENTS = "/api/v2/elements"
SMALL = {
    "TIELINE_BODY_BYTES_MAX": "1000",
    "TIELINE_STATEMENT_TIMEOUT_MS": "300",
    "TIELINE_LOOKUP_TIMEOUT_MS": "300",
    "TIELINE_STATEMENT_CONNECTIONS": "3",
    "TIELINE_CONNECTION_WAITERS_MAX": "2",
    "TIELINE_CONNECTION_WAIT_MS": "200",
    "TIELINE_URL_BYTES_MAX": "500",
    "TIELINE_HEADER_BYTES_MAX": "2000",
    "TIELINE_BODY_TIMEOUT_MS": "400",
    "TIELINE_KEY_CACHE_MS": "60000",
}


@pytest.fixture(scope="module")
def small_server(database, open_folder):
    """A server with small limits."""
    with serving(open_folder, database, **SMALL) as running:
        yield running


@pytest.fixture
def small(new_company, small_server):
    """A company's client of that server; its key is known there."""
    company = new_company()
    with Company(company.id, small_server, company.database, company.keys).client() as caller:
        assert caller.get(ELEMENTS).status_code == 200
        yield caller


@pytest.fixture
def held(database):
    """The tables are locked while the test runs."""
    with psycopg.connect(database.dsn) as conn:
        conn.execute('lock table tieline.element, tieline."externalIntegrationMapping" in access exclusive mode')
        yield conn
        conn.rollback()


def test_a_statement_past_its_time_is_504_with_when_to_try_again(small, held):
    for path in (ELEMENTS, f"{ELEMENTS}/7", f"{ELEMENTS}/7/external-elements"):
        response = small.get(path)
        refused(response, 504, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
    lookup = "entityType=eq.item&entityId=eq.1&integration=eq.crm"
    for path in ("/externalIntegrationMapping", f"/externalIntegrationMapping?{lookup}"):
        response = small.get(path)
        assert response.status_code == 504
        assert response.json()["code"] == "57014"
        assert int(response.headers["retry-after"]) >= 1
    held.rollback()
    assert small.get(ELEMENTS).status_code == 200
    assert small.get(f"/externalIntegrationMapping?{lookup}").status_code == 200


def test_a_write_past_its_time_is_undone(small, held):
    refused(small.post(ELEMENTS, json={"title": "x", "id": 5}), 504, "unavailable")
    held.rollback()
    assert small.get(ELEMENTS).json()["content"] == []


def test_more_requests_than_may_wait_are_sent_away_at_once(small, held):
    statuses: list[int] = []

    def ask() -> None:
        response = httpx.get(small.base_url.join(ELEMENTS), headers=small.headers, timeout=30)
        assert int(response.headers["retry-after"]) >= 1
        statuses.append(response.status_code)

    askers = [threading.Thread(target=ask) for _ in range(12)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert set(statuses) == {503, 504}
    assert statuses.count(504) >= 2
    held.rollback()
    assert small.get(ELEMENTS).status_code == 200


def test_a_body_beyond_the_limit_is_413_on_both_faces(small):
    title = {"title": "x" * 1000}
    refused(small.post(ELEMENTS, json=title), 413, "payload-too-large")
    response = small.post("/externalIntegrationMapping", json=title)
    assert response.status_code == 413
    assert set(response.json()) == {"code", "message", "details", "hint"}
    assert small.post(ELEMENTS, json={"title": "x" * 900}).status_code == 201


def test_an_address_beyond_the_limit_is_414(small):
    refused(small.get(ELEMENTS, params={"externalId": "x" * 500}), 414, "bad-request")
    assert small.get(ELEMENTS, params={"externalId": "x" * 400}).status_code == 200


def test_headers_beyond_the_limit_are_431(small):
    refused(small.get(ELEMENTS, headers={"x-filler": "x" * 2000}), 431, "bad-request")


@pytest.mark.parametrize(
    "headers", [{"accept": "text/html," * 201}, {"prefer": "," * 300}, {"accept": "a/b" + ";q=1" * 250}]
)
def test_a_list_of_very_many_items_is_431(client, headers):
    for path in (ELEMENTS, "/externalIntegrationMapping"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 431
        assert "header_items_max" in answer.text


def test_a_body_that_does_not_come_is_408_and_holds_nothing_up(small):
    address = urlsplit(str(small.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        key = small.headers["authorization"]
        head = f"POST {ELEMENTS} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-length: 500\r\n\r\n" + "{"
        sender.sendall(head.encode())
        assert small.get(ELEMENTS).status_code == 200
        assert b" 408 " in sender.recv(1000).splitlines()[0]


def test_a_key_past_its_rate_is_429_on_both_faces_and_others_are_not(acme, other):
    key = make_key(acme.database, acme.id, "api.read", rateLimit=3)
    with httpx.Client(base_url=acme.server.url, headers={"apikey": key}) as caller:
        left = [caller.get(ELEMENTS).headers["x-ratelimit-remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        response = caller.get(ELEMENTS)
        problem = refused(response, 429, "too-many-requests")
        assert problem["retryAfter"] == int(response.headers["retry-after"])
        assert 1 <= problem["retryAfter"] <= 61
        assert response.headers["x-ratelimit-limit"] == "3"
        theirs = caller.get("/externalIntegrationMapping")
        assert theirs.status_code == 429
        assert theirs.json()["code"]
    with other.client() as caller:
        assert caller.get(ELEMENTS).status_code == 200


def test_bytes_that_are_not_http_are_refused_and_the_server_goes_on(small):
    address = urlsplit(str(small.base_url))
    for sent in (b"\x00\xff\xfe\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"NONSENSE\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n"):
        with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
            sender.sendall(sent)
            assert sender.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert small.get("/healthz").status_code == 200
