"""Slow statements of one company: another one's are served meanwhile, and so are its batches, look-ups and logins."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from load import LOOKUP, MAPPINGS, attack, fill, neighbour, watching

from conftest import Company, make_key, serving

SLOW = 12
HELD_SECONDS = 2
ROW = {"entityType": "item", "entityId": "1", "integration": "xero", "externalId": "A"}


@contextmanager
def held(company: Company) -> Iterator[Callable[[], None]]:
    """Whoever changes the company's first mapping waits until the function is called, which the context gives."""
    company.database.execute(
        """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
        values (%s, 'item', '1', 'xero')""",
        company.id,
    )
    with psycopg.connect(company.database.dsn) as conn:
        rows = 'select 1 from tieline."externalIntegrationMapping" where "companyId" = %s for update'
        conn.execute(rows, (company.id,))
        yield conn.rollback


@contextmanager
def waiting(company: Company, send: Callable[[httpx.Client], httpx.Response], count: int) -> Iterator[Counter]:
    """So many requests of a company that are under way while the context lasts; afterwards, what they were answered."""
    answered = Counter()

    def ask() -> None:
        with company.client("api.write") as caller:
            answered[send(caller).status_code] += 1

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    yield answered
    for thread in threads:
        thread.join()


def changed(caller: httpx.Client) -> httpx.Response:
    return caller.patch(f"{MAPPINGS}?{LOOKUP}&entityId=eq.1", json={"externalId": "B"})


def linked(caller: httpx.Client) -> httpx.Response:
    return caller.post("/rpc/link_many", json={"mappings": [ROW]})


def test_slow_statements_of_one_company_leave_another_its_own(acme, other, server, database):
    with (
        watching(server, database) as watch,
        held(acme) as release,
        waiting(acme, changed, SLOW) as slow,
        neighbour(other) as served,
    ):
        time.sleep(HELD_SECONDS)
        assert slow.total() == 0
        release()
    assert set(served.statuses) == {200, 201}
    assert set(slow) <= {200, 204, 503}
    watch.check()


def test_slow_batches_of_one_company_leave_another_its_own(acme, other):
    with (
        held(acme) as release,
        waiting(acme, linked, SLOW) as slow,
        neighbour(other) as served,
        other.client() as caller,
    ):
        for number in range(10):
            row = {**ROW, "entityId": f"b{number}", "externalId": f"b{number}"}
            answer = caller.post("/rpc/link_many", json={"mappings": [row]})
            assert (answer.status_code, answer.json()[0]["outcome"]) == (200, "created")
        time.sleep(HELD_SECONDS)
        assert slow.total() == 0
        release()
    assert set(served.statuses) == {200, 201}
    assert set(slow) <= {200, 503}


def test_slow_look_ups_hold_up_neither_keys_nor_health(acme, other, database):
    """Nobody can read mappings while the table is locked; keys are found all the same."""
    look_up = f"{MAPPINGS}?{LOOKUP}&entityId=eq.1"
    with psycopg.connect(database.dsn) as conn:
        conn.execute('lock table tieline."externalIntegrationMapping" in access exclusive mode')
        with waiting(acme, lambda caller: caller.get(look_up), 100) as slow:
            for _ in range(10):
                fresh = {"apikey": make_key(database, other.id, "api.read")}
                assert httpx.get(f"{other.server.url}/company", headers=fresh).status_code == 200
                for path in ("/healthz", "/readyz"):
                    assert httpx.get(other.server.url + path).status_code == 200
            conn.rollback()
    assert set(slow) <= {200, 503, 504}


def test_a_flood_of_look_ups_leaves_another_company_its_own(acme, other, server, database):
    fill(acme, 1000)
    with watching(server, database) as watch, neighbour(other) as served:
        got = attack(acme, lambda caller, number: caller.get(f"{MAPPINGS}?{LOOKUP}&entityId=eq.{number}"), clients=32)
    assert set(got.statuses) <= {200}
    assert set(served.statuses) == {200, 201}
    watch.check()


def test_lists_that_take_long_leave_another_company_its_own(acme, other, server, database):
    """A filter that no index serves, over many rows."""
    fill(acme, 30_000, metadata="jsonb_build_object('n', repeat(md5(n::text), 20))")
    slow = f"{MAPPINGS}?select=id&metadata-%3E%3En=like.*{'a*b*' * 8}zz*"
    with watching(server, database) as watch, neighbour(other) as served:
        got = attack(acme, lambda caller, _: caller.get(slow), clients=SLOW)
    assert set(got.statuses) <= {200, 503, 504}
    assert set(served.statuses) == {200, 201}
    watch.check()


def test_requests_of_one_company_do_not_fill_what_may_be_in_flight(acme, other, database, open_folder):
    with serving(open_folder, database, TIELINE_REQUESTS_IN_FLIGHT_MAX="20") as small:
        ours = Company(acme.id, small, database, acme.keys)
        theirs = Company(other.id, small, database, other.keys)
        with held(acme) as release, waiting(ours, changed, 40) as slow, neighbour(theirs) as served:
            time.sleep(HELD_SECONDS / 2)
            release()
        assert set(served.statuses) == {200, 201}
        assert slow[503] >= 40 - 15


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_connections_of_each_kind_are_enough(acme, other, database, open_folder, count):
    kinds = ("LOOKUP", "AUTH", "STATEMENT", "BATCH")
    settings = {f"TIELINE_{kind}_CONNECTIONS": str(count) for kind in kinds}
    with serving(open_folder, database, **settings) as small:
        ours, theirs = (Company(one.id, small, database, one.keys) for one in (acme, other))
        with neighbour(theirs) as served:
            lists = attack(ours, lambda caller, _: caller.get(f"{MAPPINGS}?limit=1000"), clients=8, seconds=2)
            batches = attack(ours, lambda caller, _: linked(caller), clients=4, seconds=2, scope="api.write")
        assert set(lists.statuses) | set(batches.statuses) <= {200}
        assert set(served.statuses) == {200, 201}
