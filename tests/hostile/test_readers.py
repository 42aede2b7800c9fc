"""Clients that do not take their answers: what waits for them is bounded, and others are served."""

import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from load import MAPPINGS, fill, neighbour, watching

from conftest import Company

READERS = 40
# Answers of some megabytes: the system's own buffers hold a part of each.
ROWS, METADATA = 1000, "jsonb_build_object('text', repeat(md5(n::text), 200))"
EXPORT = "/export/mappings"


@pytest.fixture
def stage(acme, other, server, database):
    fill(acme, ROWS, metadata=METADATA)
    return acme, other, server, database


def reader(company: Company, path: str) -> socket.socket:
    """A connection that has asked and takes nothing of the answer."""
    address = urlsplit(company.server.url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(20)
    made.connect((address.hostname, address.port))
    head = f"GET {path} HTTP/1.1\r\nhost: x\r\napikey: {company.keys['api.admin']}\r\n\r\n"
    # A second request behind the first: its answer must not be made while the first waits.
    made.sendall(head.encode() * 2)
    return made


def is_closed(made: socket.socket) -> bool:
    """True if the answer breaks off; what has arrived so far is taken."""
    made.settimeout(0.2)
    try:
        while made.recv(1_000_000):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_answers_that_nobody_takes_are_bounded_for_all_connections_together(stage):
    acme, other, server, database = stage
    with watching(server, database) as watch, neighbour(other) as served, ExitStack() as opened:
        slow = [opened.enter_context(reader(acme, f"{MAPPINGS}?limit={ROWS}")) for _ in range(READERS)]
        time.sleep(3)
        with acme.client() as quick:
            answer = quick.get(f"{MAPPINGS}?limit={ROWS}")
            assert len(answer.json()) == ROWS
        closed = sum(is_closed(made) for made in slow)
    print(f"{closed} of {READERS} slow readers were closed; an answer has {len(answer.content)} bytes")
    assert 0 < closed < READERS
    assert set(served.statuses) <= {200, 201}
    watch.check()


def test_exports_that_nobody_takes_hold_up_no_other_company(stage):
    acme, other, server, database = stage
    with watching(server, database) as watch, neighbour(other) as served, ExitStack() as opened:
        for _ in range(8):
            opened.enter_context(reader(acme, EXPORT))
        time.sleep(1)
        with other.client() as theirs:
            assert theirs.get(EXPORT).status_code == 200
            imported = theirs.post("/import/mappings", content=FILE, headers={"content-type": "text/csv"})
            assert imported.status_code == 200, imported.text
    assert set(served.statuses) <= {200, 201}
    watch.check()


FILE = b"entityType,entityId,integration,externalId\nitem,1,crm,A\n"
