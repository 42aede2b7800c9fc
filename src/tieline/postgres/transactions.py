"""Transactions of several steps, such as batches: each holds a connection of its own and runs in a thread of its own.

Single statements do not come here: connections.py runs them in one round trip.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from tieline import problems
from tieline.places import Places
from tieline.postgres import pooler
from tieline.postgres.backend import Backend
from tieline.postgres.connections import CONNECT_SECONDS_MAX, as_text
from tieline.postgres.pipeline import SETTINGS_SQL, SETTINGS_TIME_ZONE_SQL, Row
from tieline.postgres.refusal import refused
from tieline.postgres.run import DEADLOCKS, as_problem
from tieline.postgres.session import Session
from tieline.settings import Settings
from tieline.sql.statement import Sql

Connection = psycopg.Connection
# A thread waits for its server without a timeout of its own. These end a TCP connection to a machine that is gone.
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}
T = TypeVar("T")


class Transactions:
    """A pool of connections for this process; use it between `open` and `close` on one event loop."""

    def __init__(self, dsn: str, settings: Settings) -> None:
        self._settings = settings
        wait_seconds = settings.connection_wait_ms / 1000
        self._pool: ConnectionPool[psycopg.Connection] = ConnectionPool(
            make_conninfo(
                dsn,
                application_name="tieline",
                client_encoding="UTF8",
                connect_timeout=CONNECT_SECONDS_MAX,
                **KEEPALIVES,
            ),
            kwargs={"autocommit": True, "cursor_factory": psycopg.RawCursor},
            min_size=0,
            max_size=settings.batch_connections,
            open=False,
            configure=self._configure,
            name="transactions",
            timeout=wait_seconds,
            # psycopg_pool waits longer and longer between its attempts to connect. It starts anew after this time.
            reconnect_timeout=wait_seconds,
            num_workers=1,
        )
        self._threads = ThreadPoolExecutor(settings.batch_connections, thread_name_prefix="transaction")
        self._places = Places(
            settings.batch_connections,
            settings.company_share_percent,
            waiters_max=settings.connection_waiters_max,
            wait_seconds_max=wait_seconds,
        )

    def open(self) -> None:
        """Start the pool; it connects when the first transaction comes."""
        self._pool.open()

    def close(self) -> None:
        """Wait for the transactions that run, and end all connections."""
        self._pool.close()
        self._threads.shutdown(cancel_futures=True)

    async def run(self, session: Session, work: Callable[[psycopg.Connection], T], *, rollback: bool = False) -> T:
        """Run `work` in a transaction and commit it; its statements have PostgreSQL's placeholders ($1).

        `rollback`: undo what it did. If `work` raises, or if the caller is cancelled meanwhile, the transaction is
        rolled back too. Nothing is tried again.

        Raises:
            DatabaseError: PostgreSQL refused a statement; also a deadlock, after which the caller may start again.
            Problem: a value that PostgreSQL cannot store (400), no connection or none free in time (503), or a
                statement that took too long (504).
        """
        await self._places.take(session.company_id)
        is_abandoned = threading.Event()
        transaction = partial(self._run, session, work, is_abandoned, rollback=rollback)
        running = asyncio.get_running_loop().run_in_executor(self._threads, transaction)
        # A thread cannot be stopped: also after a cancelled call, the next one must wait until the thread has ended.
        running.add_done_callback(partial(self._on_done, session.company_id))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            is_abandoned.set()
            raise
        finally:
            # An error refers to this frame. If the frame referred to the error, both would stay, with the values of the
            # batch, until the garbage collector comes.
            del running

    def _on_done(self, company_id: str, running: asyncio.Future[T]) -> None:
        self._places.give_back(company_id)
        if not running.cancelled():
            # A cancelled caller does not fetch the error, and asyncio would log it as forgotten.
            running.exception()

    def _run(
        self,
        session: Session,
        work: Callable[[psycopg.Connection], T],
        is_abandoned: threading.Event,
        *,
        rollback: bool,
    ) -> T:
        """The whole transaction, in a thread."""
        conn = self._connection()
        started = time.monotonic()
        try:
            with conn.transaction(force_rollback=rollback) as transaction:
                self._set(conn, session)
                done = work(conn)
                if is_abandoned.is_set():
                    raise psycopg.Rollback(transaction)
        except UnicodeEncodeError:
            raise problems.text_not_storable("half of a surrogate pair") from None
        except psycopg.Error as error:
            if conn.closed:
                raise problems.database_unavailable() from error
            raise _translated(error) from error
        else:
            return done
        finally:
            if not (conn.closed or pooler.is_pooled(conn)):
                seconds = time.monotonic() - started
                if Backend(conn.pgconn, self._settings.backend_bytes_max).has_grown(seconds):
                    # The pool replaces it.
                    conn.close()
            self._pool.putconn(conn)

    def _connection(self) -> psycopg.Connection:
        """A connection that answers. The pool replaces those that the server has ended, once they are put back."""
        while True:
            try:
                conn = self._pool.getconn()
            except (PoolTimeout, PoolClosed) as error:
                # There are as many threads as connections, so nobody else has it: it cannot be opened.
                raise problems.database_unavailable() from error
            try:
                conn.execute("")
            except psycopg.Error:
                conn.close()
                self._pool.putconn(conn)
            else:
                return conn

    def _configure(self, conn: psycopg.Connection) -> None:
        (backend,) = conn.execute(pooler.BACKEND).fetchone() or (0,)
        pooler.unprepare_if_pooled(conn, backend)
        if not pooler.is_pooled(conn):
            conn.execute(pooler.session_sql(self._settings, self._settings.statement_timeout_ms))

    def _set(self, conn: psycopg.Connection, session: Session) -> None:
        """Company, actor, request and time zone, to the end of the transaction; behind a pooler, the session's too."""
        settings, with_time_zone = SETTINGS_SQL, SETTINGS_TIME_ZONE_SQL
        if pooler.is_pooled(conn):
            settings, with_time_zone = pooler.transaction_sql(self._settings, self._settings.statement_timeout_ms)
        values = [session.company_id, session.actor, session.request_id]
        if session.time_zone is None:
            conn.execute(settings, values)
        else:
            as_text(session.time_zone)
            conn.execute(with_time_zone, [*values, session.time_zone])


def first_row(conn: Connection, statement: Sql) -> Row:
    """The first row of a statement in the transaction, each value as PostgreSQL's text."""
    # psycopg takes bytes for bytea.
    values = [value.decode() if isinstance(value, bytes) else value for value in statement.parameters]
    result = conn.execute(statement.text, values).pgresult
    assert result is not None, "the statement has been executed"
    return tuple(result.get_value(0, column) for column in range(result.nfields))


def _translated(error: psycopg.Error) -> Exception:
    """The error as `Connections.run` and run.py would raise it."""
    if error.sqlstate is None:
        # psycopg itself refuses NUL characters, before it sends anything.
        is_nul = isinstance(error, psycopg.DataError) and "NUL" in str(error)
        return problems.text_not_storable("a NUL character") if is_nul else error
    report = refused(error)
    problem = None if report.sqlstate in DEADLOCKS else as_problem(report)
    return problem or report
