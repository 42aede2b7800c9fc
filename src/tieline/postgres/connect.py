"""A new connection, in the state that pipeline.py expects. Connecting blocks its thread only."""

import select
import time

from psycopg import OperationalError, pq
from psycopg.pq import ExecStatus, PollingStatus
from psycopg.pq.abc import PGconn

from tieline.postgres.pipeline import SETTINGS, SETTINGS_SQL, SETTINGS_TIME_ZONE, SETTINGS_TIME_ZONE_SQL
from tieline.postgres.pooler import BACKEND

EVENTS: dict[int, int] = {PollingStatus.READING: select.POLLIN, PollingStatus.WRITING: select.POLLOUT}


def connect(conninfo: bytes, prepare: bytes, seconds_max: float) -> tuple[PGconn, bool]:
    """Connect and prepare the session; `prepare` is SQL text that sets its role, limits and time zone.

    Returns:
        The connection, and True if a pooler stands in between. Then the session is left as it is.

    Raises:
        OperationalError: the server cannot be reached in time, or refuses.
    """
    conn = _connected(conninfo, time.monotonic() + seconds_max)
    conn.notice_handler = None
    backend = conn.exec_(BACKEND.encode())
    if backend.status != ExecStatus.TUPLES_OK:
        raise _failed(conn, backend.get_error_message())
    if int(backend.get_value(0, 0) or 0) != conn.backend_pid:
        return conn, True
    for result in (
        conn.exec_(prepare),
        conn.prepare(SETTINGS, SETTINGS_SQL),
        conn.prepare(SETTINGS_TIME_ZONE, SETTINGS_TIME_ZONE_SQL),
    ):
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise _failed(conn, result.get_error_message())
    return conn, False


def _connected(conninfo: bytes, deadline: float) -> PGconn:
    """Connect without PGconn.connect, which holds the interpreter's lock: a silent server would stop the process."""
    conn = pq.PGconn.connect_start(conninfo)
    while True:
        status = conn.connect_poll()
        if status == PollingStatus.OK:
            return conn
        if status not in EVENTS:
            raise _failed(conn, conn.get_error_message())
        ready = select.poll()
        ready.register(conn.socket, EVENTS[status])
        if not ready.poll(max(0, deadline - time.monotonic()) * 1000):
            raise _failed(conn, "the server did not answer in time")


def _failed(conn: PGconn, reason: str) -> OperationalError:
    conn.finish()
    return OperationalError(reason)
