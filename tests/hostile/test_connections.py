"""Thousands of connections that ask for nothing: everybody else is served, and memory stays within the measure."""

import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from load import neighbour, watching

from conftest import Company, make_key, serving
from writes import Writers

MANY = 5_050
FILES = 6_000
WATCHED_SECONDS = 2
HALF_HEAD = b"GET /healthz HTTP/1.1\r\nhost: x\r\nfiller: "
WHOLE = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
# A login whose body does not come.
HALF_BODY = (
    b"POST /api/v2/auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
)
# Gentle enough for the seconds between two tests.
PATIENT = {"TIELINE_FAILED_LOGINS_PER_MINUTE": "1000000"}


@pytest.fixture(autouse=True)
def many_files():
    """As many files as a test has connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"the system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def crowded(database, open_folder):
    """A server of this file's own, with the limits that everybody has."""
    with serving(open_folder, database, **PATIENT) as running:
        yield running


@pytest.fixture
def served(crowded, other):
    """The company that must be served meanwhile, at that server."""
    return Company(other.id, crowded, other.database, other.keys)


def connected(server, source="127.0.0.1"):
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), 10, source_address=(source, 0))


@contextmanager
def crowd(server, count: int, *sent: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which sends one of these and then nothing."""
    with ExitStack() as stack:
        held = []
        for number in range(count):
            one = stack.enter_context(connected(server))
            try:
                one.sendall(sent[number % len(sent)])
            except OSError:
                continue
            held.append(one)
        yield held


def statuses(server, count=10):
    return {httpx.get(server.url + path).status_code for _ in range(count) for path in ("/healthz", "/readyz")}


@pytest.mark.parametrize(
    "sent", [b"", HALF_HEAD, WHOLE, HALF_HEAD + b"x" * 60_000], ids=["nothing", "half", "idle", "long"]
)
def test_connections_that_wait_for_their_client_hold_up_nobody(crowded, served, sent):
    with watching(crowded, served.database) as watch, neighbour(served) as got, crowd(crowded, MANY, sent):
        assert statuses(crowded) == {200}
        time.sleep(WATCHED_SECONDS)
    assert set(got.statuses) <= {200, 201}
    assert min(len(times) for times in got.times.values()) > 5
    watch.check()


def test_bodies_without_a_key_that_do_not_come_hold_up_nobody(crowded, served):
    with watching(crowded, served.database) as watch, neighbour(served) as got, crowd(crowded, 2_005, HALF_BODY):
        assert statuses(crowded) == {200}
        assert httpx.get(f"{crowded.url}/docs").status_code == 200
        time.sleep(WATCHED_SECONDS)
    assert set(got.statuses) <= {200, 201}
    watch.check()


def test_bodies_of_one_company_that_do_not_come_leave_room_for_another(crowded, served, acme):
    key = acme.keys["api.read"].encode()
    sent = (
        b"POST /rpc/resolve HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key + b"\r\ncontent-length: 9000\r\n\r\n{"
    )
    with watching(crowded, served.database) as watch, neighbour(served) as got, crowd(crowded, MANY, sent):
        assert statuses(crowded) == {200}
        time.sleep(WATCHED_SECONDS)
    assert set(got.statuses) <= {200, 201}
    watch.check()


def test_requests_sent_before_their_turn_are_bounded(crowded, served):
    sent = b"GET /healthz HTTP/1.1\r\nhost:x\r\n\r\n" * 8_000
    with watching(crowded, served.database) as watch, neighbour(served) as got, crowd(crowded, 200, sent):
        assert statuses(crowded) == {200}
        time.sleep(WATCHED_SECONDS)
    assert set(got.statuses) <= {200, 201}
    watch.check()


def test_requests_behind_another_are_answered_in_their_order(crowded):
    with connected(crowded) as sender:
        paths = [f"/nowhere-{number}" for number in range(50)]
        sender.sendall(b"".join(f"GET /docs{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() for path in paths[:-1]))
        sender.sendall(f"GET /docs{paths[-1]} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        received = b""
        while piece := sender.recv(65536):
            received += piece
    found = [received.index(f"/docs{path} ".encode()) if f"/docs{path} ".encode() in received else -1 for path in paths]
    assert received.count(b"HTTP/1.1 404") == len(paths)
    assert found == sorted(found)


def test_an_address_has_its_share_of_the_connections_and_a_proxy_all(database, open_folder):
    limits = {"TIELINE_CONNECTIONS_PER_ADDRESS_MAX": "10"}
    with serving(open_folder, database, **PATIENT, **limits) as server, ExitStack() as stack:
        held = [stack.enter_context(connected(server, "127.0.0.2")) for _ in range(10)]
        with connected(server, "127.0.0.2") as refused:
            assert refused.recv(1000).startswith(b"HTTP/1.1 503 ")
        for source in ["127.0.0.3", *["127.0.0.1"] * 30]:
            one = stack.enter_context(connected(server, source))
            one.sendall(WHOLE)
            assert one.recv(1000).startswith(b"HTTP/1.1 200 ")
        held.pop().close()
        time.sleep(0.2)
        with connected(server, "127.0.0.2") as next_one:
            next_one.sendall(WHOLE)
            assert next_one.recv(1000).startswith(b"HTTP/1.1 200 ")


def failed_logins(url: str, source: str, *forwarded: str) -> list[int]:
    """The status of a wrong key from an address, for each of these forwarded ones."""
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(local_address=source)) as caller:
        return [
            caller.get("/company", headers={"apikey": "tl_" + "x" * 43, "x-forwarded-for": address}).status_code
            for address in forwarded
        ]


@pytest.mark.parametrize(
    ("trusted", "sources"),
    [
        ("", {"127.0.0.1": [401, 401, 401, 429], "127.0.0.2": [401, 429, 429, 429]}),
        ("127.0.0.2, 10.0.0.0/8", {"127.0.0.1": [401, 429, 429, 429], "127.0.0.2": [401, 401, 401, 429]}),
        ("*", {"127.0.0.1": [401, 401, 401, 429]}),
    ],
)
def test_forwarded_addresses_are_believed_from_the_proxies_that_the_settings_name(
    database, open_folder, trusted, sources
):
    environment = {"TIELINE_FAILED_LOGINS_PER_MINUTE": "1", "TIELINE_TRUSTED_PROXIES": trusted}
    with serving(open_folder, database, **environment) as server:
        for source, expected in sources.items():
            addresses = [f"192.0.2.{source[-1]}", f"198.51.100.{source[-1]}", f"203.0.113.{source[-1]}"]
            assert failed_logins(server.url, source, *addresses, addresses[0]) == expected


def test_sigterm_ends_the_server_in_its_time_whoever_is_connected(database, open_folder, new_company):
    company = new_company()
    company.has_system("crm", default=True)
    environment = {**PATIENT, "TIELINE_SHUTDOWN_GRACE_MS": "3000"}
    with serving(open_folder, database, **environment) as server:
        writers = Writers(server.url, make_key(database, company.id, "api.admin"))
        writers.start()
        with crowd(server, 1_000, b"", HALF_HEAD, HALF_BODY, WHOLE) as held:
            time.sleep(0.5)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(30) == 0
            print(f"it ended after {time.monotonic() - started:.1f} s")
            # Unless the body was given up before the signal came.
            status = held[2].recv(1000).split(b"\r\n")[0]
            assert status in {b"HTTP/1.1 503 Service Unavailable", b"HTTP/1.1 408 Request Timeout"}
        writers.stop()
    assert writers.acknowledged
    assert "Traceback" not in server.log.read_text()
