"""Single look-ups of the mapping face, beside pgbench and the peer; then the same during bulk writes."""

import json
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager

import httpx
from figures import Figure, show
from load import Load, Measured, http, median, pgbench
from stage import COMPANY, ROOT, Stage, stage

ROUNDS = 5
CONNECTIONS = (16, 64)
BULK_ROWS = 10_000
BULK_TIMEOUT_SECONDS = 60

OURS = "/externalIntegrationMapping?entityType=eq.item&entityId=eq.ID&integration=eq.xero"
PEERS = "/mappings?entity_type=item&entity_id=ID&integration=xero"
# The same row by the same key, as JSON made by PostgreSQL.
LIMIT = f"""\\set i random(0, 99999)
select coalesce(json_agg(t), '[]') from (
    select * from tieline."externalIntegrationMapping"
    where "companyId" = '{COMPANY}' and "entityType" = 'item' and "entityId" = md5((:i * 10 + 1)::text)
        and integration = 'xero'
) t;
"""


def interleaved(runs: dict[str, Callable[[], Measured]], rounds: int = ROUNDS) -> dict[str, Measured]:
    """The medians of each run. In each round all run once, in random order."""
    found: defaultdict[str, list[Measured]] = defaultdict(list)
    for _ in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            found[name].append(runs[name]())
    return {name: median(measured) for name, measured in found.items()}


def measure(on: Stage) -> list[Figure]:
    """Run all measurements of this file."""
    script = ROOT / "lookup.sql"
    script.write_text(LIMIT)
    ours, peers = Load(OURS, on.key), Load(PEERS, on.key)
    http(on, on.tieline, ours, CONNECTIONS[0], 1)
    http(on, on.peer, peers, CONNECTIONS[0], 1)
    figures: list[Figure] = []
    for connections in CONNECTIONS:
        found = interleaved(
            {
                "ours": lambda c=connections: http(on, on.tieline, ours, c),
                "peer": lambda c=connections: http(on, on.peer, peers, c),
                "limit": lambda c=connections: pgbench(on, script, c),
            }
        )
        figures += _compared(f"look-up, {connections} connections", found)
    return [*figures, *_under_bulk(on, ours)]


def _compared(work: str, found: dict[str, Measured]) -> list[Figure]:
    ours, peer, limit = found["ours"], found["peer"], found["limit"]
    said = f"{ours.rate:,.0f}/s"
    return [
        Figure(work, said, f"pgbench {limit.rate:,.0f}/s", ours.rate / limit.rate, ">= 0.35"),
        Figure(work, said, f"ORM service {peer.rate:,.0f}/s", ours.rate / peer.rate, ">= 10"),
        Figure(work, f"p99 {ours.p99_ms:.1f} ms", f"p50 {ours.p50_ms:.1f} ms", ours.p99_ms / ours.p50_ms, "<= 5"),
        Figure(
            f"{work}, CPU time each",
            f"{ours.server_us:.0f} + {ours.postgres_us:.0f} µs",
            f"ORM service {peer.server_us:.0f} + {peer.postgres_us:.0f} µs, pgbench {limit.postgres_us:.0f} µs",
        ),
    ]


def _under_bulk(on: Stage, ours: Load) -> list[Figure]:
    def disturbed() -> Measured:
        with _bulk_client(on):
            return http(on, on.tieline, ours, CONNECTIONS[0])

    found = interleaved({"alone": lambda: http(on, on.tieline, ours, CONNECTIONS[0]), "disturbed": disturbed})
    alone, under = found["alone"], found["disturbed"]
    work = f"look-up, {CONNECTIONS[0]} connections, beside 10,000-row upserts"
    return [
        Figure(work, f"{under.rate:,.0f}/s", f"without {alone.rate:,.0f}/s", under.rate / alone.rate),
        Figure(
            work, f"p99 {under.p99_ms:.1f} ms", f"without {alone.p99_ms:.1f} ms", under.p99_ms / alone.p99_ms, "<= 3"
        ),
    ]


@contextmanager
def _bulk_client(on: Stage) -> Generator[None]:
    """Upsert the same rows with other values, request after request, as long as the context lasts."""
    bodies = [
        json.dumps(
            [
                {"entityType": "bulk", "entityId": f"e{n}", "integration": "xero", "externalId": f"b{n}-{version}"}
                for n in range(BULK_ROWS)
            ]
        )
        for version in (1, 2)
    ]
    stopped = threading.Event()
    client = httpx.Client(
        base_url=on.tieline.url,
        timeout=BULK_TIMEOUT_SECONDS,
        headers={
            "authorization": f"Bearer {on.bulk_key}",
            "content-type": "application/json",
            "prefer": "resolution=merge-duplicates,return=minimal",
        },
    )

    def upsert(version: int) -> None:
        answer = client.post(
            "/externalIntegrationMapping",
            params={"on_conflict": "entityType,entityId,integration"},
            content=bodies[version],
        )
        answer.raise_for_status()

    def work() -> None:
        version = 0
        while not stopped.is_set():
            upsert(version)
            version = 1 - version

    upsert(1)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        client.close()


if __name__ == "__main__":
    with stage() as on:
        show(measure(on))
