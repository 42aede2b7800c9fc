"""Single statements on PostgreSQL, one round trip each, over a few connections in two lanes.

Look-ups by a whole key share pipelined connections; everything else runs one statement at a time on a connection of
its own, since a bulk statement in the same pipeline would hold up every look-up behind it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import LiteralString

import structlog
from psycopg import OperationalError
from psycopg.conninfo import make_conninfo

from tieline import problems
from tieline.postgres.connect import connect
from tieline.postgres.pipeline import ConnectionLostError, DatabaseError, Pipeline, Row, Work
from tieline.postgres.session import Session
from tieline.settings import Settings
from tieline.sql.statement import Sql

__all__ = ["ConnectionLostError", "Connections", "DatabaseError", "Lane", "Row"]

log = structlog.stdlib.get_logger()

RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
CONNECT_SECONDS_MAX = 5
# How much longer than the server's own timeout we wait for it before we take the connection for dead.
SILENCE_SECONDS = 5.0
WATCH_SECONDS = 1.0

# jit: PostgreSQL overrates the cost of json_to_recordset, and would compile statements that take a millisecond.
SESSION: LiteralString = """
set role tieline_server; set search_path = tieline; set timezone = 'UTC'; set client_encoding = 'UTF8';
set default_text_search_config = 'pg_catalog.english'; set jit = off; set datestyle = 'ISO';
set statement_timeout = """


class Lane(Enum):
    """Which connections a statement may use."""

    POINT = auto()
    """Look-ups by a whole key: many in flight on each connection. Reads only."""
    SINGLE = auto()
    """Everything else: one statement at a time on each connection."""


class Connections:
    """The connections of this process; use it between `open` and `close` on one event loop."""

    def __init__(self, dsn: str, settings: Settings, revive: Callable[[], object] | None = None) -> None:
        """`revive` is called, in a thread, when the server cannot be reached: the embedded one is then started anew."""
        self._dsn = dsn
        self._settings = settings
        self._revive = revive
        self._point: list[Pipeline] = []
        self._single: set[Pipeline] = set()
        self._idle: deque[Pipeline] = deque()
        self._waiters: deque[asyncio.Future[Pipeline]] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False

    async def open(self) -> None:
        """Connect all; a server that is away is tried again and again meanwhile."""
        settings = self._settings
        lanes = [Lane.POINT] * settings.lookup_connections + [Lane.SINGLE] * settings.statement_connections
        opened: list[asyncio.Future[None]] = []
        for lane in lanes:
            first = asyncio.get_running_loop().create_future()
            opened.append(first)
            self._keepers.append(asyncio.create_task(self._keep(lane, first)))
        await asyncio.wait(opened, timeout=CONNECT_SECONDS_MAX)

    async def close(self) -> None:
        """End all connections; what is still under way fails."""
        self._closing = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for line in [*self._point, *self._single]:
            line.end("closing")

    @property
    def are_up(self) -> bool:
        """Whether both lanes have a connection."""
        return bool(self._point) and bool(self._single)

    @property
    def waiting(self) -> int:
        """How many statements wait for a connection."""
        return len(self._waiters)

    def usage(self, lane: Lane) -> tuple[int, int]:
        """How many connections of a lane are open, and how many of them have something under way."""
        lines = self._point if lane is Lane.POINT else self._single
        return len(lines), sum(1 for line in lines if line.in_flight)

    async def run(
        self, statement: Sql, session: Session, *, lane: Lane, prepared: bool = True, rollback: bool = False
    ) -> list[Row]:
        """Run one statement in a transaction of its own and return its rows, each value as PostgreSQL's text.

        `prepared`: keep it prepared on the connection, for texts that come again; otherwise it is planned for its
        values. `rollback`: undo what it did.

        Raises:
            DatabaseError: PostgreSQL refused it.
            Problem: a value that PostgreSQL cannot store (400), no connection or none free in time (503).
        """
        is_lookup = lane is Lane.POINT
        work = Work(
            statement.text,
            [as_text(value) for value in statement.parameters],
            _settings(session),
            asyncio.get_running_loop().create_future(),
            prepared=prepared,
            # A time zone holds up to the sync, so it would be the neighbours' too.
            shares_sync=is_lookup and session.time_zone is None,
            rollback=rollback,
        )
        line = self._next() if is_lookup else await self._free()
        line.send(work)
        try:
            return await work.future
        except ConnectionLostError as error:
            raise problems.database_unavailable() from error
        finally:
            # It holds the error, which holds this frame: a circle, which only the collector undoes.
            del work

    def _next(self) -> Pipeline:
        """The line for a look-up: the one that gathers those of this turn of the loop, else the least busy."""
        if not self._point:
            raise problems.database_unavailable()
        chosen = self._point[0]
        for line in self._point:
            if line.gathers:
                return line
            if line.in_flight < chosen.in_flight:
                chosen = line
        return chosen

    async def _free(self) -> Pipeline:
        """A connection with nothing under way; those who wait get theirs in the order they came."""
        if self._idle:
            return self._idle.pop()
        if not self._single:
            raise problems.database_unavailable()
        if len(self._waiters) >= self._settings.connection_waiters_max:
            raise problems.overloaded()
        waiter: asyncio.Future[Pipeline] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._settings.connection_wait_ms / 1000):
                return await waiter
        except TimeoutError:
            self._abandon(waiter)
            raise problems.overloaded() from None
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise

    def _abandon(self, waiter: asyncio.Future[Pipeline]) -> None:
        """Nobody waits any more; a connection that was handed over in the same moment goes to the next."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.cancelled() and waiter.exception() is None:
            self._on_idle(waiter.result())

    def _on_idle(self, line: Pipeline) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(line)
                return
        self._idle.append(line)

    async def _keep(self, lane: Lane, first: asyncio.Future[None]) -> None:
        """Hold one connection of a lane open for as long as the process lives."""
        failures = 0
        while not self._closing:
            try:
                ended = await self._connect(lane)
            except OperationalError as error:
                log.warning("The database cannot be reached.", reason=str(error).strip(), failures=failures)
                await self._pause(failures)
                failures += 1
                continue
            failures = 0
            if not first.done():
                first.set_result(None)
            reason = await ended
            if not self._closing:
                log.warning("A database connection ended.", lane=lane.name, reason=reason.strip())

    async def _pause(self, failures: int) -> None:
        await asyncio.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])
        if self._revive is not None and failures >= len(RECONNECT_SECONDS):
            try:
                await asyncio.to_thread(self._revive)
            except Exception as error:  # noqa: BLE001 one turn of a loop that must go on
                log.warning("The embedded database does not start.", reason=str(error))

    async def _connect(self, lane: Lane) -> asyncio.Future[str]:
        """Open a connection of a lane; the future that comes back gets the reason of its end."""
        settings = self._settings
        timeout_ms = settings.lookup_timeout_ms if lane is Lane.POINT else settings.statement_timeout_ms
        conninfo = make_conninfo(self._dsn, application_name="tieline")
        prepare = session_sql(timeout_ms)
        pgconn = await asyncio.to_thread(connect, conninfo.encode(), prepare, CONNECT_SECONDS_MAX)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def lost(reason: str) -> None:
            watch.cancel()
            self._forget(line)
            if not ended.done():
                ended.set_result(reason)

        line = Pipeline(
            pgconn,
            prepared_max=settings.prepared_statements_max,
            lost=lost,
            idle=lambda: self._on_idle(line) if lane is Lane.SINGLE else None,
        )
        watch = asyncio.create_task(_watch(line, timeout_ms / 1000 + SILENCE_SECONDS))
        if lane is Lane.POINT:
            self._point.append(line)
        else:
            self._single.add(line)
            self._on_idle(line)
        return ended

    def _forget(self, line: Pipeline) -> None:
        if line in self._point:
            self._point.remove(line)
        self._single.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        if not self._single:
            while self._waiters:
                waiter = self._waiters.popleft()
                if not waiter.done():
                    waiter.set_exception(problems.database_unavailable())


async def _watch(line: Pipeline, silence_seconds_max: float) -> None:
    """End a connection whose server has been silent for longer than its own timeout allows."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if line.in_flight and loop.time() - line.progress_at > silence_seconds_max:
            line.end("the server did not answer in time")


def session_sql(statement_timeout_ms: int) -> bytes:
    """The SQL that makes a new connection one of the server's role, with this timeout for each statement."""
    return (SESSION + str(statement_timeout_ms)).encode()


def _settings(session: Session) -> list[bytes | None]:
    settings: list[bytes | None] = [session.company_id.encode(), session.actor.encode(), session.request_id.encode()]
    if session.time_zone is not None:
        settings.append(as_text(session.time_zone))
    return settings


def as_text(value: str | bytes | None) -> bytes | None:
    """A parameter as libpq takes it: UTF-8 that ends at the first NUL, so there must be none.

    Raises:
        Problem: the value has a NUL or half of a surrogate pair, which PostgreSQL cannot store.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeEncodeError:
            raise problems.text_not_storable("half of a surrogate pair") from None
    if b"\0" in value:
        raise problems.text_not_storable("a NUL character")
    return value
