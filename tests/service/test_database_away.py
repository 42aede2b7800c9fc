"""The database goes away and comes back under a running server."""

import itertools
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest

from cluster import Cluster
from conftest import Company, Database, make_key, start_server, stop_server
from tieline.postgres import embedded

BACK_SECONDS_MAX = 30


@pytest.fixture(scope="module")
def cluster(open_folder):
    folder = open_folder / "away"
    with embedded.running(folder):
        yield Cluster(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def company(cluster, open_folder):
    """A company on a server of this test's own."""
    database = Database(embedded.ensure_running(cluster.folder))
    data = str(open_folder / "away-data")
    server = start_server(open_folder, "--database-url", database.dsn, "--data-dir", data)
    database.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
    made = Company("acme", server, database)
    made.keys = {scope: make_key(database, made.id, scope) for scope in ("api.write", "api.admin")}
    made.has_system("crm", "https://crm.example")
    yield made
    stop_server(server)


def wait_until_well(caller: httpx.Client) -> None:
    until = time.monotonic() + BACK_SECONDS_MAX
    while caller.get("/readyz").status_code != 200 or caller.get("/api/v2/elements").status_code != 200:
        assert time.monotonic() < until, "the server did not come back"
        time.sleep(0.05)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_the_database_is_503_meanwhile_and_well_again_after_it(cluster, company, mode):
    with company.client() as caller:
        wait_until_well(caller)
        cluster.control("stop", "-m", mode)
        time.sleep(0.3)
        for path in ("/api/v2/elements", "/externalIntegrationMapping", "/readyz"):
            response = caller.get(path)
            assert response.status_code == 503, path
            assert int(response.headers["retry-after"]) >= 1
        assert caller.get("/healthz").status_code == 200
        cluster.revive()
        wait_until_well(caller)
        assert caller.post("/api/v2/elements", json={"title": "after"}).status_code == 201


@dataclass
class Load:
    """Writers that go on until they are stopped, and their answers."""

    company: Company
    stop: threading.Event = field(default_factory=threading.Event)
    seen: Counter[int] = field(default_factory=Counter)
    acknowledged: list[int] = field(default_factory=list)

    def write(self, start: int) -> None:
        with self.company.client("api.write") as caller:
            for element_id in itertools.takewhile(lambda _: not self.stop.is_set(), itertools.count(start)):
                self.note(caller.post("/api/v2/elements", json={"id": element_id, "title": "x"}))
                path = f"/api/v2/elements/{element_id}/external-element/link"
                if self.note(caller.post(path, json={"externalId": f"A-{element_id}"})) == 200:
                    self.acknowledged.append(element_id)

    def note(self, response: httpx.Response) -> int:
        self.seen[response.status_code] += 1
        if response.status_code >= 500:
            assert "retry-after" in response.headers, response.text
        return response.status_code


def test_under_load_what_was_acknowledged_is_there_and_nothing_is_half_done(cluster, company):
    load = Load(company)
    writers = [threading.Thread(target=load.write, args=(1_000_000 * number,)) for number in range(1, 5)]
    for writer in writers:
        writer.start()
    time.sleep(0.5)
    end_backends(company.database)
    time.sleep(0.5)
    cluster.control("restart", "-m", "immediate")
    with company.client() as caller:
        wait_until_well(caller)
    time.sleep(0.5)
    load.stop.set()
    for writer in writers:
        writer.join()
    # 404: the element was not written, so it cannot be linked.
    assert set(load.seen) <= {200, 201, 404, 503, 504}
    assert load.seen[503] > 0
    there = company.database.execute('select "entityId"::int from tieline."externalIntegrationMapping"')
    assert {row[0] for row in there} >= set(load.acknowledged)
    assert len(load.acknowledged) > 20
    # Each mapping has its change and each change its mapping.
    assert {int(after["entityId"]) for _, _, after, _ in company.changes()} == {row[0] for row in there}


def end_backends(database: Database) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tieline'")


def test_connections_that_are_killed_are_replaced(cluster, company):
    with company.client() as caller:
        wait_until_well(caller)
        for _ in range(5):
            end_backends(company.database)
            statuses = [caller.get("/api/v2/elements").status_code for _ in range(3)]
            assert set(statuses) <= {200, 503}
            wait_until_well(caller)


def test_a_server_without_its_embedded_database_starts_it_again(open_folder):
    folder = open_folder / "revived"
    server = start_server(open_folder, "--data-dir", str(folder))
    try:
        key = (folder / "admin.key").read_text().strip()
        with httpx.Client(base_url=server.url, headers={"apikey": key}, timeout=60) as caller:
            assert caller.post("/api/v2/elements", json={"title": "before", "id": 5}).status_code == 201
            Cluster(folder).control("stop", "-m", "immediate")
            wait_until_well(caller)
            assert caller.get("/api/v2/elements/5").json()["title"] == "before"
    finally:
        assert stop_server(server) == 0
