"""resolve, link_many and POST of 10,000 ids or rows in one request, by one client.

`resolve` is measured beside the peer's, and beside its own statement over libpq: that gives PostgreSQL's share of the
request. `link_many` and POST are measured beside a bare INSERT of the same rows and beside the peer's bulk insert.
"""

import itertools
import json
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
from figures import Figure, show
from load import postgres_seconds, process_seconds, send
from psycopg.pq import ExecStatus
from stage import BULK_COMPANY, COMPANIES, COMPANY, ROWS, Stage, stage

from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE
from tieline.dialect.statement import prepare
from tieline.postgres.connections import as_text
from tieline.postgres.pooler import session_sql
from tieline.settings import Settings

ROUNDS = 7
# After five executions of a prepared statement PostgreSQL may choose one plan for all values.
WARM_UP_ROUNDS = 6
CPU_RUNS = 20
CLIENTS = 4
BATCH = 10_000
MISSES = BATCH // 20
LIMITS = Limits(50, 1_000)

# The stride has no factor in common with 10^9, so that no number comes twice.
STRIDE = 387_420_489
STEPS = itertools.count()

COLUMNS = '"entityType" text, "entityId" text, integration text, "externalId" text, metadata jsonb'
NAMES = re.sub(r" (text|jsonb)", "", COLUMNS)
INSERT = f"""insert into tieline."externalIntegrationMapping" ("companyId", {NAMES})
select %s, {NAMES} from json_to_recordset(%s::json) as rows ({COLUMNS})"""
# Delete the rows of a round without the triggers, so that the deletion writes no history.
FORGET = f"""set session_replication_role = replica;
delete from tieline."externalIntegrationMapping" where "companyId" = '{BULK_COMPANY}' and "entityType" = 'new';
delete from tieline."mappingChange" where "companyId" = '{BULK_COMPANY}';
reset session_replication_role;"""

# One measured run, given the body of its request.
Run = Callable[[str], object]


def rows(count: int) -> list[dict[str, object]]:
    """New rows, in an order that no index has."""
    numbers = (next(STEPS) * STRIDE % 10**9 for _ in range(count))
    return [
        {
            "entityType": "new",
            "entityId": f"e{number:09}",
            "integration": "xero",
            "externalId": f"x{number:09}",
            "metadata": {"a": 1, "b": "some text"},
        }
        for number in numbers
    ]


def measure(on: Stage) -> list[Figure]:
    """Run all measurements of this file."""
    return [*_resolve(on), *_writes(on)]


def _resolve(on: Stage) -> list[Figure]:
    ours: Callable[[str], bytes] = partial(send, on.tieline, on.key, "/rpc/resolve")
    peer: Callable[[str], bytes] = partial(send, on.peer, on.key, "/mappings/resolve")
    columns: Callable[[str], bytes] = partial(send, on.peer, on.key, "/mappings/resolve-columns")
    body = _question()
    if json.loads(ours(body)) != json.loads(peer(body)):
        raise SystemExit("The peer resolves to something else.")
    with _statement_alone(on, "resolve", body) as alone:
        spent = timed(
            _question,
            {
                "ours": ours,
                "peer": peer,
                "columns": columns,
                "alone": alone,
                "ours at once": partial(_at_once, ours),
                "peer at once": partial(_at_once, peer),
            },
        )
    server, postgres = _cpu_ms(on, partial(ours, body))
    work, said = "resolve of 10,000 ids", f"{_rate(spent['ours'])} ids/s"
    together, peers = spent["ours at once"] / CLIENTS, spent["peer at once"] / CLIENTS
    return [
        Figure(work, said, f"ORM service {_rate(spent['peer'])} ids/s", spent["peer"] / spent["ours"], ">= 7"),
        Figure(work, said, f"by columns {_rate(spent['columns'])} ids/s", spent["columns"] / spent["ours"], ">= 7"),
        Figure(
            f"{work}, {CLIENTS} clients",
            f"{_rate(together)} ids/s",
            f"ORM service {_rate(peers)} ids/s",
            peers / together,
        ),
        Figure(
            f"{work}, share of its statement",
            f"{spent['ours'] * 1000:.1f} ms",
            f"over libpq {spent['alone'] * 1000:.1f} ms",
            spent["alone"] / spent["ours"],
            ">= 0.8",
        ),
        Figure(
            f"{work}, CPU time, share of PostgreSQL",
            f"{server:.1f} + {postgres:.1f} ms",
            ratio=postgres / (server + postgres),
        ),
    ]


def _at_once(run: Run, body: str) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(run, [body] * CLIENTS):
            pass


def _question() -> str:
    """Ids of the company, and some unknown ones, in random order."""
    known = random.sample(range(int(COMPANY[1:]), ROWS, COMPANIES), BATCH - MISSES)
    ids = [f"x{number}" for number in known] + [f"y{number}" for number in range(MISSES)]
    random.shuffle(ids)
    return json.dumps({"integration": "xero", "entityType": "item", "externalIds": ids})


@contextmanager
def _statement_alone(on: Stage, function: str, body: str) -> Generator[Run]:
    """Run the statement that the server makes of such a call, prepared, in a session like the server's."""
    asked = Asked("POST", f"rpc/{function}", "", NONE, content_type="application/json", body=body.encode())
    made = prepare(asked, COMPANY, LIMITS)
    assert made is not None, "a call needs rows"
    statement = made.sql
    company, _, *others = (as_text(value) for value in statement.parameters)
    with psycopg.connect(on.dsn, autocommit=True) as conn:
        conn.execute(session_sql(Settings(), 0))
        conn.execute(f"set tieline.company = '{COMPANY}'".encode())
        conn.pgconn.prepare(b"call", statement.text.encode())

        def run(body: str) -> None:
            result = conn.pgconn.exec_prepared(b"call", [company, body.encode(), *others])
            if result.status != ExecStatus.TUPLES_OK:
                raise SystemExit(result.get_error_message())

        yield run


def _writes(on: Stage) -> list[Figure]:
    ours = partial(send, on.tieline, on.bulk_key)

    def link_many(body: str) -> None:
        if ours("/rpc/link_many", f'{{"mappings":{body}}}').count(b'"created"') != BATCH:
            raise SystemExit("link_many did not create all rows.")

    with psycopg.connect(on.dsn, autocommit=True) as conn:
        spent = timed(
            lambda: json.dumps(rows(BATCH)),
            {
                "POST": partial(ours, "/externalIntegrationMapping"),
                "link_many": link_many,
                "bare": lambda body: conn.execute(INSERT, (BULK_COMPANY, body)),
                "peer": partial(send, on.peer, on.bulk_key, "/mappings/bulk"),
            },
            lambda: conn.execute(FORGET),
        )
        conn.execute('vacuum analyze tieline."externalIntegrationMapping", tieline."mappingChange"')
    return [
        figure
        for name in ("POST", "link_many")
        for figure in (
            _written(name, spent[name], "INSERT", spent["bare"], ">= 0.6"),
            _written(name, spent[name], "ORM service", spent["peer"]),
        )
    ]


def _written(name: str, spent: float, what: str, beside: float, wanted: str = "") -> Figure:
    work = f"{name} of 10,000 new rows"
    return Figure(work, f"{_rate(spent)} rows/s", f"{what} {_rate(beside)} rows/s", beside / spent, wanted)


def timed(
    body: Callable[[], str], runs: dict[str, Run], after: Callable[[], object] = bool, rounds: int = ROUNDS
) -> dict[str, float]:
    """The median seconds of each run. In each round all run once with the same body, in random order."""
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for turn in range(WARM_UP_ROUNDS + rounds):
        sent = body()
        for name in random.sample(list(runs), len(runs)):
            started = time.perf_counter()
            runs[name](sent)
            if turn >= WARM_UP_ROUNDS:
                spent[name].append(time.perf_counter() - started)
            after()
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def _cpu_ms(on: Stage, run: Callable[[], object]) -> tuple[float, float]:
    """CPU time of a request in the server and in PostgreSQL: a mean of many, as the kernel counts in 10 ms."""
    server, postgres = process_seconds(on.tieline.pid), postgres_seconds(on.postmaster)
    for _ in range(CPU_RUNS):
        run()
    server, postgres = process_seconds(on.tieline.pid) - server, postgres_seconds(on.postmaster) - postgres
    return server / CPU_RUNS * 1000, postgres / CPU_RUNS * 1000


def _rate(seconds: float) -> str:
    return f"{BATCH / seconds:,.0f}"


if __name__ == "__main__":
    with stage() as on:
        show(measure(on))
