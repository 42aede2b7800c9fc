"""Load for the hostile tests: attackers, a neighbour who must be served meanwhile, and a watch on memory."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx

from conftest import Company, Database, Server

MAPPINGS = "/externalIntegrationMapping"
# The measure: the server and each backend stay below this, and give it back.
MEGABYTES_MAX = 300
SAMPLE_SECONDS = 0.02
PAUSE_SECONDS = 0.02
SETTLE_SECONDS_MAX = 15


def megabytes(pid: int) -> float:
    """The memory of a process that is its own: PostgreSQL's shared buffers and mapped files do not count."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(found[0]) / 1024 if found else 0.0


def backends(database: Database) -> list[int]:
    """The process ids of the backends that serve this database."""
    rows = database.execute(
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'"
    )
    return [pid for (pid,) in rows]


@dataclass
class Watch:
    """The most memory that the server and any one backend had, in megabytes; `after`: once they had settled."""

    server: float = 0.0
    backend: float = 0.0
    server_after: float = 0.0
    backend_after: float = 0.0

    def check(self, *, given_back: bool = True) -> None:
        """Assert the measure; `given_back`: also that no more than half of it is held afterwards."""
        print(self)
        assert self.server < MEGABYTES_MAX
        assert self.backend < MEGABYTES_MAX
        if given_back:
            assert self.server_after < MEGABYTES_MAX / 2
            assert self.backend_after < MEGABYTES_MAX / 2


@contextmanager
def watching(server: Server, database: Database) -> Iterator[Watch]:
    """Sample memory while the context lasts; afterwards wait until the backends have given theirs back."""
    watch, stop = Watch(), threading.Event()
    processes = [server.process.pid]
    known = set(backends(database))

    def look_for_backends() -> None:
        while not stop.wait(0.5):
            known.update(backends(database))

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            watch.server = max(watch.server, sum(map(megabytes, processes)))
            watch.backend = max([watch.backend, *map(megabytes, list(known))])

    threads = [threading.Thread(target=work, daemon=True) for work in (look_for_backends, sample)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while time.monotonic() < deadline:
        watch.server_after = sum(map(megabytes, processes))
        watch.backend_after = max(map(megabytes, backends(database)), default=0.0)
        if watch.backend_after < MEGABYTES_MAX / 4 and watch.server_after < MEGABYTES_MAX / 2:
            break
        time.sleep(0.2)


@dataclass
class Served:
    """The answers that somebody got: how many of each status, and the times by kind, in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)

    def note(self, kind: str, answer: httpx.Response, seconds: float) -> None:
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 400:
            self.codes[answer.text[:200]] += 1
        self.times.setdefault(kind, []).append(seconds)

    def __str__(self) -> str:
        times = {
            kind: f"{len(found)} x, median {sorted(found)[len(found) // 2] * 1000:.1f} ms,"
            f" p99 {(quantiles(found, n=100)[98] if len(found) > 1 else found[0]) * 1000:.1f} ms"
            for kind, found in self.times.items()
        }
        return f"{dict(self.statuses)} {times} {dict(self.codes.most_common(3))}"


@contextmanager
def neighbour(company: Company) -> Iterator[Served]:
    """Another company's everyday requests while the context lasts: look-ups, lists, writes, health."""
    served, stop = Served(), threading.Event()

    def ask(number: int) -> None:
        row = {"entityType": "item", "entityId": f"n{number}", "integration": "xero", "externalId": f"n{number}"}
        requests: list[tuple[str, Callable[[httpx.Client], httpx.Response]]] = [
            ("write", lambda caller: caller.post(MAPPINGS, json=row)),
            ("look-up", lambda caller: caller.get(f"{MAPPINGS}?{LOOKUP}&entityId=eq.n{number}")),
            ("list", lambda caller: caller.get(f"{MAPPINGS}?limit=20&order=entityId")),
            ("health", lambda caller: caller.get("/healthz")),
            ("ready", lambda caller: caller.get("/readyz")),
        ]
        for kind, send in requests:
            started = time.perf_counter()
            served.note(kind, send(client), time.perf_counter() - started)

    def work() -> None:
        number = 0
        while not stop.wait(PAUSE_SECONDS):
            number += 1
            ask(number)

    with company.client("api.write") as client:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            stop.set()
            thread.join()
            print(f"the neighbour got {served}")


LOOKUP = "entityType=eq.item&integration=eq.xero"


def attack(
    company: Company,
    send: Callable[[httpx.Client, int], httpx.Response],
    *,
    clients: int = 8,
    seconds: float = 3,
    scope: str = "api.read",
) -> Served:
    """Send from several clients of a company at a time, as fast as they are answered, for so long.

    `send` gets the client and the number of the request.
    """
    served, ends = Served(), time.monotonic() + seconds

    def work(first: int) -> None:
        with company.client(scope) as caller:
            number = first
            while time.monotonic() < ends:
                started = time.perf_counter()
                answer = send(caller, number)
                served.note("attack", answer, time.perf_counter() - started)
                number += clients

    threads = [threading.Thread(target=work, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"the attacker got {served}")
    return served


def fill(company: Company, rows: int, **columns: str) -> None:
    """Give the company so many mappings; `columns` are SQL expressions of the row's number n, by column."""
    given = {
        "entityType": "'item'",
        "entityId": "n::text",
        "integration": "'xero'",
        "externalId": "'x' || n",
        **columns,
    }
    names = ", ".join(f'"{name}"' for name in given)
    company.database.execute(
        f"""insert into tieline."externalIntegrationMapping" ("companyId", {names})
        select %s, {", ".join(given.values())} from generate_series(1, {rows}) n""",
        company.id,
    )
