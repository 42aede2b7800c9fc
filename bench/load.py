"""The load, by wrk and pgbench, and the CPU time that it takes."""

import os
import random
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from stage import IDS, Server, Stage

SECONDS = 3
BACKENDS_END_SECONDS = 0.3
# wrk counts a request that takes longer as failed; the peer is slow at 64 connections on a busy machine.
TIMEOUT_SECONDS = 15
SEND_SECONDS_MAX = 120
SCRIPT = Path(__file__).parent / "request.lua"


@dataclass(frozen=True, slots=True)
class Load:
    """The requests of a load. In path and body, ID stands for a random id, and NEW for a text never sent before."""

    path: str
    key: str
    body: str | None = None
    ids: Path = IDS


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: requests a second, latencies, and CPU time for each request."""

    rate: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    server_us: float = 0.0
    postgres_us: float = 0.0


def send(server: Server, key: str, path: str, body: str | None = None) -> bytes:
    """One GET, or POST if there is a body, on a connection of its own; the answer comes uncompressed."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=SEND_SECONDS_MAX)) as connection:
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    if answer.status not in {200, 201}:
        raise SystemExit(f"{path} answered {answer.status}: {content[:1000]!r}")
    return content


def http(stage: Stage, server: Server, load: Load, connections: int, seconds: int = SECONDS) -> Measured:
    """Send requests over so many connections for so long."""
    environment = {
        "BENCH_METHOD": "GET" if load.body is None else "POST",
        "BENCH_PATH": load.path,
        "BENCH_KEY": load.key,
        "BENCH_IDS": str(load.ids),
        "BENCH_SEED": str(random.randrange(10**9)),
        **({} if load.body is None else {"BENCH_BODY": load.body}),
    }
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        f"--timeout={TIMEOUT_SECONDS}s",
        "--latency",
        "-s",
        str(SCRIPT),
        server.url,
    ]
    before, postgres_before = process_seconds(server.pid), postgres_seconds(stage.postmaster)
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    server_spent = process_seconds(server.pid) - before
    postgres_spent = postgres_seconds(stage.postmaster) - postgres_before
    found = re.search(r"^figures (\d+) (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if found is None or found[5] != "0" or found[1] == "0":
        raise SystemExit(f"The load did not get its answers:\n{done.stdout}{done.stderr}")
    count, microseconds, p50, p99 = (int(found[i]) for i in range(1, 5))
    return Measured(
        count / microseconds * 1e6,
        p50 / 1000,
        p99 / 1000,
        server_spent / count * 1e6,
        postgres_spent / count * 1e6,
    )


def pgbench(stage: Stage, script: Path, connections: int, seconds: int = SECONDS) -> Measured:
    """The upper limit: the same statement, prepared, sent to PostgreSQL directly on as many connections."""
    command = [stage.binaries / "pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "1"]
    command += ["-T", str(seconds), "-f", script, stage.dsn]
    before = postgres_seconds(stage.postmaster)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # The CPU time of pgbench's backends is counted once they have ended.
    time.sleep(BACKENDS_END_SECONDS)
    spent = postgres_seconds(stage.postmaster) - before
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    latency = re.search(r"^latency average = ([\d.]+) ms", done.stdout, re.MULTILINE)
    count = re.search(r"actually processed: (\d+)", done.stdout)
    if rate is None or latency is None or count is None:
        raise SystemExit(f"pgbench says something else:\n{done.stdout}{done.stderr}")
    return Measured(float(rate[1]), float(latency[1]), 0.0, 0.0, spent / int(count[1]) * 1e6)


def median(runs: Sequence[Measured]) -> Measured:
    """Each figure's median over the rounds."""
    names = Measured.__slots__
    return Measured(*(statistics.median(getattr(run, name) for run in runs) for name in names))


def process_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def postgres_seconds(postmaster: int) -> float:
    """CPU time so far of all PostgreSQL processes, those that have ended included."""
    process = psutil.Process(postmaster)
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in process.children():
        try:
            total += process_seconds(child.pid)
        except psutil.NoSuchProcess:
            continue
    return total
