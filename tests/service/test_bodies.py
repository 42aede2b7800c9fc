"""Bodies: when they are read, how they may be compressed, how slowly they may come, and how much they may hold."""

import gzip
import json
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from conftest import Company, serving
from refusals import refused

MAPPINGS = "/externalIntegrationMapping"
ELEMENTS = "/api/v2/elements"
TOKEN = "/api/v2/auth/token"
JSON = {"content-type": "application/json"}
GZIP = {"content-encoding": "gzip"}
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}
FILE = b"entityType,entityId,integration,externalId\nitem,2,xero,B\n"
SMALL = {
    "TIELINE_BODY_BYTES_PER_SECOND_MIN": "1000",
    "TIELINE_BODY_STRETCH_MS": "500",
    "TIELINE_OPEN_BODY_TIMEOUT_MS": "300",
    "TIELINE_TRANSFERS_MAX": "1",
    "TIELINE_TRANSFERS_OF_ALL_MAX": "1",
    "TIELINE_UPLOADS_MAX": "4",
}
NARROW = {"TIELINE_BODIES_BYTES_MAX": "60000", "TIELINE_CONNECTION_WAIT_MS": "2000"}


@pytest.fixture(scope="module")
def small_server(database, open_folder):
    """A server that gives bodies little time and room."""
    with serving(open_folder, database, **SMALL) as running:
        yield running


@pytest.fixture(scope="module")
def narrow_server(database, open_folder):
    """A server that has little room for bodies."""
    with serving(open_folder, database, **NARROW) as running:
        yield running


@pytest.fixture
def narrow(new_company, narrow_server):
    """A company at that server."""
    made = new_company()
    return Company(made.id, narrow_server, made.database, made.keys)


@pytest.fixture
def small(new_company, small_server):
    """A company at that server."""
    made = new_company()
    return Company(made.id, small_server, made.database, made.keys)


def sending(company: Company, path: str, length: int, *more: str, scope: str = "api.admin") -> socket.socket:
    """A connection on which a body of this length is announced."""
    address = urlsplit(company.server.url)
    sender = socket.create_connection((address.hostname, address.port), timeout=10)
    lines = [f"POST {path} HTTP/1.1", "host: x", f"apikey: {company.keys[scope]}", f"content-length: {length}", *more]
    sender.sendall("\r\n".join([*lines, "", ""]).encode())
    return sender


def taken(company: Company, length: int) -> socket.socket:
    """A connection for whose body the server has made room: it asks for it."""
    sender = sending(company, MAPPINGS, length, "content-type: application/json", "expect: 100-continue")
    assert status(sender) == 100
    return sender


def status(sender: socket.socket) -> int:
    """The status of the answer."""
    return int(sender.recv(1000).split()[1])


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_a_body_may_be_compressed_with_gzip_at_every_endpoint_that_reads_one(client, acme, coding):
    acme.has_element(7)
    acme.has_system("crm", "https://crm.example", default=True)
    head = {**JSON, "content-encoding": coding}

    def post(path: str, body: object, **headers: str) -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(path, content=gzip.compress(data), headers={**head, **headers})

    assert post(MAPPINGS, [ROW]).status_code == 201
    assert post("/rpc/resolve", {"integration": "xero", "externalIds": ["A"]}).json()[0]["status"] == "linked"
    assert post("/rpc/link_many", {"mappings": [ROW]}).json()[0]["outcome"] == "unchanged"
    assert post(ELEMENTS, {"title": "x"}).status_code == 201
    assert post(f"{ELEMENTS}/7/external-element/link", {"externalId": "A"}).status_code == 200
    assert post(f"{ELEMENTS}/7/external-element/unlink", {}).status_code == 200
    assert post("/import/mappings", FILE, **{"content-type": "text/csv"}).json()["created"] == 1
    form = b"grant_type=client_credentials&client_id=x&client_secret=y"
    assert post(TOKEN, form, **{"content-type": "application/x-www-form-urlencoded"}).status_code == 401
    two = gzip.compress(b"[") + gzip.compress(json.dumps(ROW | {"entityId": "9", "externalId": "9"}).encode() + b"]")
    assert client.post(MAPPINGS, content=two, headers=head).status_code == 201


@pytest.mark.parametrize("path", [MAPPINGS, "/rpc/resolve", ELEMENTS, TOKEN, "/import/mappings"])
@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "zstd", "nonsense"])
def test_other_codings_are_refused_with_the_one_that_is_read(client, path, coding):
    kind = {"content-type": "text/csv"} if path.startswith("/import") else JSON
    answer = client.post(path, content=b"x", headers={**kind, "content-encoding": coding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "broken",
    [
        b"{}",
        gzip.compress(b"{}")[:-1],
        gzip.compress(b"{}")[:9],
        gzip.compress(b"{}") + b"x",
        zlib.compress(b"{}"),
        gzip.compress(b"{}")[:-8] + bytes(8),
    ],
    ids=["plain", "one byte less", "no data", "a byte more", "deflate", "another sum"],
)
@pytest.mark.parametrize("path", [MAPPINGS, "/rpc/resolve", ELEMENTS, "/import/mappings"])
def test_a_broken_stream_is_a_bad_request(client, path, broken):
    kind = {"content-type": "text/csv"} if path.startswith("/import") else JSON
    answer = client.post(path, content=broken, headers={**kind, **GZIP})
    assert answer.status_code == 400
    assert "The body is not gzip, or it breaks off" in answer.text


@pytest.mark.parametrize("path", [MAPPINGS, "/rpc/resolve", ELEMENTS])
def test_the_limit_counts_what_a_compressed_body_stands_for(client, path):
    bomb = gzip.compress(bytes(40_000_000))
    answer = client.post(path, content=bomb, headers={**JSON, **GZIP})
    assert answer.status_code == 413
    assert "body_bytes_max" in answer.text


def test_a_token_request_that_is_multipart_is_told_which_forms_work(acme):
    answer = httpx.post(acme.server.url + TOKEN, files={"grant_type": (None, "client_credentials")})
    problem = refused(answer, 415, "unsupported-media-type")
    assert "application/x-www-form-urlencoded or application/json, not multipart/form-data" in problem["detail"]


def test_a_token_request_is_small(acme):
    answer = httpx.post(acme.server.url + TOKEN, json={"client_id": "x" * 40_000})
    assert "open_body_bytes_max" in refused(answer, 413, "payload-too-large")["detail"]


def test_a_body_that_nobody_may_send_or_take_is_not_read(acme):
    csv, form = "content-type: text/csv", "content-type: application/x-www-form-urlencoded"
    for path, kind, scope, expected in [
        (MAPPINGS, "content-type: application/json", "api.read", 403),
        (MAPPINGS, "content-type: image/png", "api.write", 400),
        ("/rpc/resolve", csv, "api.read", 400),
        (ELEMENTS, form, "api.write", 415),
        ("/import/mappings", "content-type: image/png", "api.admin", 415),
    ]:
        with sending(acme, path, 10_000_000, kind, scope=scope) as sender:
            assert status(sender) == expected


def test_a_body_that_comes_too_slowly_is_given_up(small):
    for path, kind in ((MAPPINGS, "application/json"), ("/import/mappings", "text/csv")):
        with sending(small, path, 5_000, f"content-type: {kind}") as sender:
            sender.sendall(b"x")
            assert status(sender) == 408
    address = urlsplit(small.server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        sender.sendall(f"POST {TOKEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n".encode())
        assert status(sender) == 408


def test_files_that_are_on_their_way_hold_no_turn(small, new_company):
    other = new_company()
    elsewhere = Company(other.id, small.server, other.database, other.keys)
    with sending(small, "/import/mappings", 5_000_000, "content-type: text/csv") as sender:
        sender.sendall(FILE)
        for company in (small, elsewhere):
            with company.client() as client:
                assert client.get("/export/mappings").status_code == 200
                answer = client.post("/import/mappings", content=FILE, headers={"content-type": "text/csv"})
                assert answer.status_code == 200, answer.text


def test_a_company_has_a_share_of_the_room_for_bodies(narrow, new_company):
    other = new_company()
    elsewhere = Company(other.id, narrow.server, other.database, other.keys)
    with taken(narrow, 40_000), narrow.client() as client:
        answer = client.post(MAPPINGS, content=b" " * 15_000, headers=JSON)
        assert answer.status_code == 503
        assert "no room for the body" in answer.text
        with elsewhere.client() as theirs:
            assert theirs.post(MAPPINGS, json=ROW).status_code == 201


def test_a_body_that_finds_no_room_waits_for_it(narrow):
    with taken(narrow, 40_000) as sender, ThreadPoolExecutor(1) as thread, narrow.client() as client:
        waiting = thread.submit(client.post, MAPPINGS, content=json.dumps([ROW]) + " " * 15_000, headers=JSON)
        sender.sendall(b"x" * 40_000)
        assert status(sender) == 400
        assert waiting.result().status_code == 201


@pytest.mark.parametrize(
    ("kind", "body", "setting"),
    [
        ("text/csv", b"a\n" * 60_000, "body_rows_max"),
        ("text/csv", b"," * 1000, "body_names_max"),
        ("application/x-www-form-urlencoded", b"a=&" * 60_000, "body_rows_max"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=" % n for n in range(101)), "body_names_max"),
        ("application/json", json.dumps([{}] * 60_000).encode(), "body_rows_max"),
        ("application/json", json.dumps({f"a{n}": 1 for n in range(101)}).encode(), "body_names_max"),
        ("application/json", json.dumps([{f"a{n}": 1 for n in range(101)}]).encode(), "body_names_max"),
        ("application/json", json.dumps([{"entityId": "x" * 1_100_000}]).encode(), "body_row_bytes_max"),
    ],
)
def test_rows_and_names_of_a_body_are_bounded_by_settings_that_the_refusal_names(client, kind, body, setting):
    for query in ("", "?columns=entityId") if kind == "application/json" else ("",):
        answer = client.post(MAPPINGS + query, content=body, headers={"content-type": kind})
        assert answer.status_code == 413
        assert setting in answer.json()["message"]


@pytest.mark.parametrize(("text", "said"), [("\\u0000", "a NUL character"), ("\\udc00", "half of a surrogate pair")])
@pytest.mark.parametrize("query", ["", "?columns=entityType,entityId,integration,externalId,metadata"])
def test_a_row_that_cannot_be_stored_is_named(client, query, text, said):
    rows = [ROW | {"entityId": str(n), "externalId": str(n), "metadata": {"n": ""}} for n in range(3)]
    rows[2]["metadata"] = {"n": "?"}
    answer = client.post(MAPPINGS + query, content=json.dumps(rows).replace("?", text), headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["details"] == f"Row 2: metadata contains {said}, which PostgreSQL cannot store."
    assert client.get(MAPPINGS).json() == []
