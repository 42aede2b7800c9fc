"""PostgreSQL's process behind a connection: its memory, and whether the connection has to be replaced for it.

A process of PostgreSQL keeps much of the memory that a large statement took. Only its end gives that back.
"""

import psutil
from psycopg.pq.abc import PGconn

NAME = "postgres"
LOOPBACK = (b"127.0.0.1", b"::1", b"localhost")
# Where the process is on another machine, a statement of so many seconds counts as a large one.
LARGE_SECONDS = 1.0


class Backend:
    """The process behind a connection."""

    def __init__(self, pgconn: PGconn, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._process = _process(pgconn)

    def has_grown(self, seconds: float) -> bool:
        """True if the process holds too much memory. `seconds`: how long the last statement has run so far."""
        if self._process is None:
            return seconds > LARGE_SECONDS
        own = _own_bytes(self._process)
        return own is not None and own > self._bytes_max


def _process(pgconn: PGconn) -> psutil.Process | None:
    """The process, if it is on this machine; None if it cannot be looked at."""
    host = pgconn.host
    if not (host.startswith(b"/") or host in LOOPBACK):
        return None
    try:
        process = psutil.Process(pgconn.backend_pid)
        return process if process.name() == NAME and _own_bytes(process) is not None else None
    except psutil.Error:
        return None


def _own_bytes(process: psutil.Process) -> int | None:
    """The memory that is the process's own: not PostgreSQL's shared buffers. None if the system does not tell."""
    try:
        memory = process.memory_info()
    except psutil.Error:
        return None
    shared: int | None = getattr(memory, "shared", None)
    return None if shared is None else memory.rss - shared
