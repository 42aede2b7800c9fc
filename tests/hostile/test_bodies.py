"""Bodies that are large, strange or slow: each is answered, others are served meanwhile, and memory stays bounded."""

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from load import MAPPINGS, attack, neighbour, watching

SIZE = 15_500_000
CSV = {"content-type": "text/csv"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
ROW = {"entityType": "item", "integration": "xero"}


def fill(piece: str | bytes) -> bytes:
    """So many of the piece that the body is just below the limit."""
    data = piece.encode() if isinstance(piece, str) else piece
    return data * (SIZE // len(data))


def million_names() -> bytes:
    return b"{" + b",".join(b'"k%07d":1' % n for n in range(1_000_000)) + b"}"


BODIES = {
    "lines of CSV": (CSV, fill("a\n")),
    "commas": (CSV, fill(",")),
    "quotes in lines": (CSV, fill('""\n')),
    "one open quote": (CSV, b'"' + fill("a")),
    "quotes": (CSV, b"a\n" + fill('"')),
    "a wide CSV": (CSV, b",".join([b"a"] * 100) + b"\n" + fill(",")),
    "semicolons of a form": (FORM, fill("a;")),
    "fields of a form": (FORM, fill("a=&")),
    "percent signs": (FORM, b"externalIds=" + fill("%41")),
    "pluses": (FORM, b"integration=xero&externalIds={" + fill("+")),
    "an array in a form": (FORM, b"integration=xero&externalIds={" + fill("a,") + b"a}"),
    "an open array in a form": (FORM, b"integration=xero&externalIds={" + fill('"')),
    "JSON in a form": (FORM, b"integration=xero&externalIds=[" + fill('"",') + b'""]'),
    "names of JSON": (JSON, million_names()),
    "one name again and again": (JSON, b"{" + fill('"integration":"xero",') + b'"externalIds":[]}'),
    "rows of names": (JSON, b"[" + million_names()[:900_000] + b"}" + b"," + million_names()[:900_000] + b"}]"),
    "items": (JSON, b'{"integration":"xero","externalIds":[' + fill('"",') + b'""]}'),
    "numbers": (JSON, b'{"integration":"xero","externalIds":[' + fill("1,") + b"1]}"),
    "empty rows": (JSON, b"[" + fill("{},") + b"{}]"),
    "deep JSON": (JSON, b'{"integration":"xero","externalIds":' + fill("[")),
    "one number": (JSON, fill("1")),
    "one string": (JSON, b'"' + fill("a") + b'"'),
    "one long id": (JSON, b'{"integration":"xero","externalIds":["' + fill("a") + b'"]}'),
    "halves": (JSON, b'{"integration":"xero","externalIds":["' + fill("\\ud83d") + b'"]}'),
    "escapes": (JSON, b'{"integration":"xero","externalIds":["' + fill("\\\\") + b'"]}'),
    "metadata of brackets": (JSON, b'[{"entityType":"a","metadata":[' + fill("[],") + b"1]}]"),
    "white space": (JSON, fill(" ")),
}
ELEMENTS = "/api/v2/elements"
PLACES = [
    *(MAPPINGS, "/company", "/rpc/resolve", "/rpc/link_many", "/rpc/claim", "/rpc/unlink_many", "/rpc/nothing"),
    *(ELEMENTS, f"{ELEMENTS}/7/external-element/link", "/api/v2/auth/token", "/import/mappings"),
]


@pytest.fixture
def stage(acme, other, server, database):
    return acme, other, server, database


@pytest.mark.parametrize("kind", [CSV, FORM, JSON], ids=["CSV", "forms", "JSON"])
def test_no_body_of_16_mb_is_more_than_a_refusal(stage, kind):
    acme, other, server, database = stage
    bodies = [(name, body) for name, (headers, body) in BODIES.items() if headers is kind]

    def send(number: int) -> str:
        name, body = bodies[number % len(bodies)]
        place = PLACES[(number // len(bodies) * 3 + number) % len(PLACES)]
        with acme.client() as client:
            answer = client.post(place, content=body, headers=kind)
        assert answer.status_code in {200, 201, 400, 403, 404, 413, 415, 503}, (name, place, answer.text)
        return f"{name} to {place}: {answer.status_code} after {answer.elapsed.total_seconds():.1f} s"

    with watching(server, database) as watch, neighbour(other) as served, ThreadPoolExecutor(2) as threads:
        print(*threads.map(send, range(2 * len(bodies))), sep="\n")
    assert set(served.statuses) <= {200, 201}
    watch.check(given_back=False)


def test_a_gzip_bomb_is_stopped_at_the_limit(stage):
    acme, other, server, database = stage
    bomb = gzip.compress(bytes(100_000_000), 9)
    headers = {**JSON, "content-encoding": "gzip"}
    with watching(server, database) as watch, neighbour(other) as served:
        got = attack(
            acme,
            lambda caller, number: caller.post(PLACES[number % 3], content=bomb, headers=headers),
            clients=4,
            seconds=1.5,
            scope="api.write",
        )
    assert set(got.statuses) <= {413, 503}
    assert set(served.statuses) <= {200, 201}
    watch.check(given_back=False)


def test_large_batches_land_beside_everyday_requests(stage):
    acme, other, server, database = stage
    rows = [
        ROW | {"entityId": str(n), "externalId": str(n), "metadata": {"note": "x" * 1200, "n": n}}
        for n in range(10_000)
    ]
    with watching(server, database) as watch, neighbour(other) as served, acme.client() as client:
        linked = client.post("/rpc/link_many", content=json.dumps({"mappings": rows}), headers=JSON)
        posted = client.post(MAPPINGS, json=[row | {"entityType": "other"} for row in rows])
    assert {result["outcome"] for result in linked.json()} == {"created"}
    assert posted.status_code == 201
    assert set(served.statuses) <= {200, 201}
    watch.check()


def test_uploads_that_trickle_hold_up_nobody(stage):
    acme, other, server, database = stage
    address = urlsplit(acme.server.url)
    lines = ["POST /import/mappings HTTP/1.1", "host: x", f"apikey: {acme.keys['api.admin']}", "content-type: text/csv"]
    head = "\r\n".join([*lines, "content-length: 1000000", "", "entityType"]).encode()
    with watching(server, database) as watch, neighbour(other) as served, ExitStack() as opened:
        for _ in range(4):
            trickle = opened.enter_context(socket.create_connection((address.hostname, address.port), timeout=10))
            trickle.sendall(head)
        for company in (other, acme):
            with company.client() as client:
                file = b"entityType,entityId,integration,externalId\nitem,f,crm,A\n"
                answer = client.post("/import/mappings", content=file, headers=CSV)
                assert answer.json()["created"] == 1
                assert client.get("/export/mappings").status_code == 200
    assert set(served.statuses) <= {200, 201}
    watch.check()


@pytest.mark.parametrize("columns", ["", "?columns=integration,externalIds"])
def test_a_name_that_comes_again_counts_again(client, columns):
    body = b"{" + b'"integration":"xero",' * 101 + b'"externalIds":[]}'
    answer = client.post(f"/rpc/resolve{columns}", content=body, headers=JSON)
    assert (answer.status_code, "body_names_max" in answer.json()["message"]) == (413, True)
