"""Requests that no client library sends: the server answers them as the RFCs say, within its limits."""

import json
import socket
import time
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from conftest import serving

TIGHT = {
    "TIELINE_CONNECTIONS_MAX": "20",
    "TIELINE_ANSWER_TIMEOUT_MS": "1000",
    "TIELINE_HEADER_BYTES_MAX": "2000",
    "TIELINE_URL_BYTES_MAX": "500",
    "TIELINE_FAILED_LOGINS_PER_MINUTE": "1000000",
}
PIECE = b"x" * 1000


@pytest.fixture(scope="module")
def tight(database, open_folder):
    """A server with few connections and short timeouts."""
    with serving(open_folder, database, **TIGHT) as running:
        yield running


def connected(server, **options):
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=10, **options)


def read_all(sender):
    """All bytes until the server closes the connection."""
    pieces = []
    while piece := sender.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def exchanged(server, sent):
    with closing(connected(server)) as sender:
        sender.sendall(sent)
        return read_all(sender)


def head(company, line, *headers):
    key = f"authorization: Bearer {company.keys['api.admin']}"
    return "\r\n".join([f"{line} HTTP/1.1", "host: x", "connection: close", key, *headers, "", ""]).encode()


def status(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-request-id: a\nb: c\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-request-id: a\r\n b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost : a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: -2\r\n\r\n{}",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
    ],
)
def test_a_head_that_two_readers_could_understand_differently_is_400(server, sent):
    assert status(exchanged(server, sent)) == 400


def test_an_absolute_address_in_the_request_line_is_that_of_its_path(acme):
    answer = exchanged(acme.server, head(acme, "GET http://elsewhere.example/api/v2/elements"))
    assert status(answer) == 200


@pytest.mark.parametrize(
    "path",
    [
        "//api/v2/elements",
        "/rest/v1/../externalIntegrationMapping",
        "/rest/v1//externalIntegrationMapping",
        "/rest/v1externalIntegrationMapping",
        "/%2e%2e/api/v2/elements",
        "/api/v2/elements/%2e%2e/elements",
        "/docs/%2e%2e%2fsettings.toml",
        "/externalIntegrationMapping%00",
        "/healthz%0a",
        "/apiKey",
        "/signingKey",
        "/refreshToken",
        "*",
    ],
)
def test_a_path_that_is_nearly_one_of_ours_is_404(acme, path):
    assert status(exchanged(acme.server, head(acme, f"GET {path}"))) == 404


def test_trailers_are_no_headers(acme):
    body = b'2\r\n{"\r\na\r\ntitle":"x"\r\n1\r\n}\r\n0\r\n'
    trailers = b"x-request-id: from-a-trailer\r\nauthorization: Bearer " + acme.keys["api.admin"].encode() + b"\r\n\r\n"
    chunked = ("content-type: application/json", "transfer-encoding: chunked")
    answer = exchanged(acme.server, head(acme, "POST /api/v2/elements", *chunked) + body + trailers)
    assert status(answer) == 201
    assert b"from-a-trailer" not in answer
    nobody = (
        b"POST /api/v2/elements HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        + body
        + trailers
    )
    assert status(exchanged(acme.server, nobody)) == 401


@pytest.mark.parametrize(
    "start",
    [
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nfiller: ",
        b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nfiller: ",
        b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;filler=",
        b"POST /nowhere HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 1.2.3.4\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
    ],
    ids=["head", "trailer", "chunk extension", "trailer by a proxy"],
)
def test_the_lines_around_a_body_are_bounded_like_a_head(tight, start):
    """A parser keeps a line until its end: without a limit, anybody could fill the memory."""
    with closing(connected(tight)) as sender:
        # Shorter than the time of an idle connection, longer than an answer takes.
        sender.settimeout(3)
        sender.sendall(start)
        try:
            for _ in range(100):
                sender.sendall(PIECE)
            read_all(sender)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert httpx.get(f"{tight.url}/healthz").status_code == 200


@pytest.mark.parametrize("pause_seconds", [0.3, 0])
@pytest.mark.parametrize(
    "second",
    [
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nfiller: " + 10 * PIECE,
        b"NO HTTP AT ALL\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nno-host: x\r\n\r\n",
    ],
    ids=["too long", "no HTTP", "no host"],
)
def test_a_refusal_does_not_pass_for_the_answer_to_the_request_before_it(tight, acme, second, pause_seconds):
    body = json.dumps({"title": "x"}).encode()
    described = ("content-type: application/json", f"content-length: {len(body)}")
    first = head(acme, "POST /api/v2/elements", *described).replace(b"connection: close\r\n", b"") + body
    with closing(connected(tight)) as sender:
        with psycopg.connect(acme.database.dsn) as conn:
            conn.execute("lock table tieline.element in access exclusive mode")
            if pause_seconds:
                sender.sendall(first)
                time.sleep(pause_seconds)
                sender.sendall(second)
            else:
                sender.sendall(first + second)
            time.sleep(0.3)
        answer = read_all(sender)
    assert status(answer) == 201
    assert answer.count(b"HTTP/1.1 ") == 1


def test_an_answer_before_the_end_of_a_body_closes_and_still_arrives(acme):
    announced = "content-length: 1000000000"
    with closing(connected(acme.server)) as sender:
        sender.sendall(head(acme, "POST /api/v2/elements", announced).replace(b"connection: close\r\n", b"") + PIECE)
        sender.sendall(PIECE)
        answer = read_all(sender)
    assert status(answer) == 413
    assert answer.lower().count(b"connection: close") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 413


def test_a_client_that_expects_100_gets_it_only_if_the_body_is_wanted(acme):
    announced = ("content-type: application/json", "content-length: 13", "expect: 100-continue")
    with closing(connected(acme.server)) as sender:
        sender.sendall(head(acme, "POST /api/v2/elements", *announced))
        assert sender.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n")
        sender.sendall(b'{"title":"x"}')
        assert status(read_all(sender)) == 201
    refused = exchanged(
        acme.server, b"POST /api/v2/elements HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 13\r\n\r\n"
    )
    assert status(refused) == 401


def test_a_control_character_of_a_client_is_in_no_header(acme):
    row = {"entityType": "item", "entityId": "1", "integration": "crm", "id": "€\r\nset-cookie: a=b"}
    with acme.client(prefer="return=headers-only") as caller:
        answer = caller.post("/externalIntegrationMapping", json=row)
    assert answer.status_code == 201
    assert "set-cookie" not in answer.headers
    assert answer.headers["location"] == "/externalIntegrationMapping?id=eq.%E2%82%AC%0D%0Aset-cookie%3A%20a%3Db"


def test_when_all_connections_have_requests_under_way_only_health_is_answered(tight, acme):
    with psycopg.connect(acme.database.dsn) as conn:
        conn.execute("lock table tieline.element in access exclusive mode")
        held = [connected(tight) for _ in range(20)]
        for one in held:
            one.sendall(head(acme, "GET /api/v2/elements"))
        time.sleep(0.3)
        for path, expected in (("/api/v2/elements", 503), ("/healthz", 200), ("/readyz?now", 200), ("/docs", 503)):
            answer = exchanged(tight, head(acme, f"GET {path}"))
            assert status(answer) == expected
            assert (b"retry-after: 1" in answer) == (expected == 503)
    assert [status(read_all(one)) for one in held] == [200] * 20
    assert httpx.get(f"{tight.url}/docs").status_code == 200
    for one in held:
        one.close()


def test_connections_that_wait_for_their_client_make_way_for_new_ones(tight):
    for sent in (b"", b"GET /hea", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"):
        held = [connected(tight) for _ in range(25)]
        for one in held:
            one.sendall(sent)
        time.sleep(0.3)
        assert httpx.get(f"{tight.url}/docs").status_code == 200
        for one in held:
            one.close()


@pytest.mark.parametrize("path", ["/api/v2/elements", "/externalIntegrationMapping", "/healthz"])
@pytest.mark.parametrize("length", [600, 65_000, 70_000, 200_000])
def test_an_address_of_any_length_beyond_the_limit_is_414_in_the_words_of_the_face(tight, path, length):
    answer = exchanged(tight, f"GET {path}?x={'x' * length} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert status(answer) == 414
    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert "longer than 500 bytes" in (said["detail"] if path.startswith("/api/") else said["message"])
    assert (b"application/problem+json" in answer) == path.startswith("/api/")


@pytest.mark.parametrize("headers", ["x: " + "x" * 2500, "x: " + "x" * 200_000, "x: y\r\n" * 129, "x: y\r\n" * 50_000])
def test_headers_beyond_the_limits_are_431_in_the_words_of_the_face(tight, headers):
    answer = exchanged(tight, f"GET /api/v2/elements HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n".encode())
    assert status(answer) == 431
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"].startswith("The headers are longer than 2000 bytes")


def test_a_client_that_does_not_read_its_answer_is_ended(tight, acme):
    acme.database.execute(
        """insert into tieline."externalIntegrationMapping"
            ("companyId", "entityType", "entityId", integration, metadata)
        select %s, 'item', n::text, 'crm', to_jsonb(repeat('x', 20000)) from generate_series(1, 800) n""",
        acme.id,
    )
    with closing(socket.socket()) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = urlsplit(tight.url)
        reader.connect((address.hostname, address.port))
        reader.settimeout(10)
        reader.sendall(head(acme, "GET /externalIntegrationMapping"))
        time.sleep(3)
        received = len(read_all(reader))
    assert received < 16_000_000
