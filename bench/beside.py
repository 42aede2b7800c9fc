"""This commit beside another one, in one run: look-ups, batches and imports of both, each on a database of its own.

Give the folder of the other checkout, in which `make .venv/run.stamp` was run. Rounds are interleaved; only ratios
count. `--import-rows N` is the size of the imported file (1,000,000).
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from figures import Figure, show
from load import Load, http, postgres_seconds, process_seconds, send
from lookups import CONNECTIONS, OURS, interleaved
from stage import BULK_COMPANY, COMPANY, FILL, ROOT, Server, Stage, free_port, new_key, write_ids

from batches import BATCH, FORGET, INSERT, Run, rows, timed
from tieline.postgres import account, database

SMALL_BATCH, SMALL_BATCHES = 10, 300
WARM_UP_ROUNDS, CPU_ROUNDS = 2, 14


@dataclass(frozen=True, slots=True)
class Version:
    """A running server of one commit, and the stage that loads it."""

    name: str
    python: Path
    data: Path
    on: Stage

    def command(self, *arguments: str) -> None:
        """Run `tieline` of this version."""
        command = [self.python, "-m", "tieline", *arguments, "--data-dir", self.data]
        subprocess.run(command, check=True, capture_output=True, cwd=self.data.parent)


@contextmanager
def serving(name: str, checkout: Path) -> Generator[Version]:
    """A server of a checkout with a million mappings."""
    data, python = ROOT / f"beside-{name}", checkout / ".venv" / "bin" / "python"
    shutil.rmtree(data, ignore_errors=True)
    port = free_port()
    command = [python, "-m", "tieline", "serve", "--port", str(port), "--data-dir", data]
    with (ROOT / f"beside-{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None, "it was asked for"
        if "is ready" not in process.stdout.readline():
            raise SystemExit(f"{name} does not start: see {ROOT}/beside-{name}.log")
        dsn = f"host={data}/postgres user=postgres dbname=tieline"
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(FILL)
            conn.execute("reset session_replication_role")
            conn.execute("vacuum analyze")
        with database.connected(dsn) as conn:
            keys = [new_key(conn, company) for company in (COMPANY, BULK_COMPANY)]
        postmaster = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        yield Version(
            name, python, data, Stage(dsn, account.reachable_binaries(data, None), postmaster, server, server, *keys)
        )
    finally:
        process.terminate()
        process.wait()


def measure(ours: Version, theirs: Version, import_rows: int) -> list[Figure]:
    """Run all measurements of this file."""
    return [
        *_lookups(ours, theirs),
        *_batches(ours, theirs),
        *_cpu_of_writes(ours, theirs),
        *_import(ours, theirs, import_rows),
    ]


def _lookups(ours: Version, theirs: Version) -> list[Figure]:
    figures: list[Figure] = []
    for connections in CONNECTIONS:
        runs = {
            version.name: partial(http, version.on, version.on.tieline, Load(OURS, version.on.key), connections)
            for version in (ours, theirs)
        }
        found = interleaved(runs)
        this, other = found["ours"], found["theirs"]
        work = f"look-up, {connections} connections"
        figures += [
            Figure(work, f"{this.rate:,.0f}/s", f"before {other.rate:,.0f}/s", this.rate / other.rate, ">= 0.97"),
            Figure(
                f"{work}, CPU each",
                f"{this.server_us:.0f} + {this.postgres_us:.0f} µs",
                f"before {other.server_us:.0f} + {other.postgres_us:.0f} µs",
            ),
        ]
    return figures


def _batches(ours: Version, theirs: Version) -> list[Figure]:
    with ExitStack() as stack:
        conns = {v.name: stack.enter_context(psycopg.connect(v.on.dsn, autocommit=True)) for v in (ours, theirs)}

        def link(version: Version, body: str) -> None:
            send(version.on.tieline, version.on.bulk_key, "/rpc/link_many", body)

        def insert(version: Version, body: str) -> None:
            conns[version.name].execute(INSERT, (BULK_COMPANY, body))

        def forget() -> None:
            for conn in conns.values():
                conn.execute(FORGET)

        new = timed(lambda: json.dumps(rows(BATCH)), _runs(ours, theirs, link, insert), forget)
        made = rows(BATCH)
        for version in (ours, theirs):
            link(version, json.dumps({"mappings": made}))
        permuted = timed(partial(_permutation, made), _runs(ours, theirs, link))
        forget()
        small = timed(lambda: json.dumps(rows(SMALL_BATCH)), _runs(ours, theirs, link), rounds=SMALL_BATCHES)
        forget()
    limit = new["INSERT ours"]
    return [
        _figure("link_many of 10,000 new rows", new["link ours"], "INSERT", limit, ">= 0.75"),
        _figure("link_many of 10,000 new rows", new["link ours"], "before", new["link theirs"]),
        _figure("INSERT of 10,000 rows", limit, "before", new["INSERT theirs"]),
        _figure("link_many of a permutation of 10,000", permuted["link ours"], "INSERT", limit, ">= 0.25"),
        _figure("link_many of a permutation of 10,000", permuted["link ours"], "before", permuted["link theirs"]),
        _figure("link_many of 10 rows", small["link ours"], "before", small["link theirs"], ">= 0.67"),
    ]


def _cpu_of_writes(ours: Version, theirs: Version) -> list[Figure]:
    """CPU time of server and PostgreSQL together: it moves less than seconds do, on a machine that others use too."""
    work = {
        "POST of 10,000 new rows": ("/externalIntegrationMapping", "{}", BATCH, 1),
        "link_many of 10,000 new rows": ("/rpc/link_many", '{{"mappings":{}}}', BATCH, 1),
        "100 link_many of 10 rows": ("/rpc/link_many", '{{"mappings":{}}}', SMALL_BATCH, 100),
    }
    figures: list[Figure] = []
    for name, (path, form, size, count) in work.items():
        spent = {"ours": 0.0, "theirs": 0.0}
        for turn in range(WARM_UP_ROUNDS + CPU_ROUNDS):
            bodies = [form.format(json.dumps(rows(size))) for _ in range(count)]
            for version in random.sample((ours, theirs), 2):
                before = _cpu_seconds(version)
                for body in bodies:
                    send(version.on.tieline, version.on.bulk_key, path, body)
                if turn >= WARM_UP_ROUNDS:
                    spent[version.name] += (_cpu_seconds(version) - before) / CPU_ROUNDS
        figures.append(_figure(f"{name}, CPU", spent["ours"], "before", spent["theirs"]))
    return figures


def _cpu_seconds(version: Version) -> float:
    return postgres_seconds(version.on.postmaster) + process_seconds(version.on.tieline.pid)


def _permutation(made: list[dict[str, object]]) -> str:
    ids = [row["externalId"] for row in made]
    random.shuffle(ids)
    for row, external_id in zip(made, ids, strict=True):
        row["externalId"] = external_id
    # Commits before the rule for batches land a permutation only with `move`.
    return json.dumps({"mappings": made, "onConflict": "move"})


Work = Callable[[Version, str], None]


def _runs(ours: Version, theirs: Version, link: Work, insert: Work | None = None) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    for version in (ours, theirs):
        runs[f"link {version.name}"] = lambda body, v=version: link(
            v, body if body.startswith("{") else f'{{"mappings":{body}}}'
        )
        if insert is not None:
            runs[f"INSERT {version.name}"] = partial(insert, version)
    return runs


def _figure(work: str, seconds: float, what: str, beside: float, wanted: str = "") -> Figure:
    return Figure(work, f"{seconds * 1000:.1f} ms", f"{what} {beside * 1000:.1f} ms", beside / seconds, wanted)


def _import(ours: Version, theirs: Version, count: int) -> list[Figure]:
    file = ROOT / "beside.ndjson"
    with file.open("w") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows(count))
    spent: dict[str, float] = {}
    for version in random.sample((ours, theirs), 2):
        started = time.perf_counter()
        version.command("import", str(file), "--company", BULK_COMPANY, "--what", "mappings")
        spent[version.name] = time.perf_counter() - started
    file.unlink()
    return [_figure(f"import of {count:,} rows", spent["ours"], "before", spent["theirs"], ">= 0.9")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--import-rows", type=int, default=1_000_000)
    given = parser.parse_args()
    ROOT.mkdir(mode=0o711, parents=True, exist_ok=True)
    write_ids()
    with serving("ours", Path(__file__).parents[1]) as this, serving("theirs", given.checkout.resolve()) as other:
        print("measuring …", file=sys.stderr)
        show(measure(this, other, given.import_rows))
