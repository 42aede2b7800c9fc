"""Single statements on PostgreSQL, one round trip each, over the connections of a few lanes (lane.py)."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from psycopg import OperationalError
from psycopg.conninfo import make_conninfo

from tieline import problems
from tieline.kept import Kept
from tieline.postgres.backend import Backend
from tieline.postgres.connect import connect
from tieline.postgres.lane import Lane, Lines
from tieline.postgres.pipeline import ConnectionLostError, DatabaseError, Pipeline, Row, Work
from tieline.postgres.pooler import session_sql, transaction_sql
from tieline.postgres.session import Session
from tieline.settings import Settings
from tieline.sql.statement import Sql
from tieline.wire import halves

__all__ = ["ConnectionLostError", "Connections", "DatabaseError", "Row"]

log = structlog.stdlib.get_logger()

RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
CONNECT_SECONDS_MAX = 5
# A server that is silent for so much longer than its own timeout allows counts as dead.
SILENCE_SECONDS = 5.0
WATCH_SECONDS = 0.5
GROWN = "its backend had grown"


class Connections:
    """The connections of this process; use it between `open` and `close` on one event loop."""

    def __init__(self, lanes: Sequence[Lane], settings: Settings, revive: Callable[[], object] | None = None) -> None:
        """`revive` is called, in a thread, when a server cannot be reached; it starts the embedded one anew."""
        self._settings = settings
        self._revive = revive
        self._lines = {lane.name: Lines(lane, settings) for lane in lanes}
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False

    async def open(self) -> None:
        """Connect all. A server that is away is tried again and again in the background."""
        opened: list[asyncio.Future[None]] = []
        for lines in self._lines.values():
            for _ in range(lines.lane.size):
                first = asyncio.get_running_loop().create_future()
                opened.append(first)
                self._keepers.append(asyncio.create_task(self._keep(lines, first)))
        await asyncio.wait(opened, timeout=CONNECT_SECONDS_MAX)

    async def close(self) -> None:
        """End all connections; statements that still run fail."""
        self._closing = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for lines in self._lines.values():
            for line in list(lines.open):
                line.end("closing")

    @property
    def are_up(self) -> bool:
        """Each lane has a connection."""
        return all(lines.open for lines in self._lines.values())

    @property
    def lanes(self) -> Sequence[str]:
        """The names of the lanes."""
        return list(self._lines)

    @property
    def waiting(self) -> int:
        """The number of statements that wait for a connection."""
        return sum(lines.waiting for lines in self._lines.values())

    def usage(self, lane: str) -> tuple[int, int]:
        """The number of open connections of a lane, and the number of those with a statement under way."""
        lines = self._lines[lane].open
        return len(lines), sum(1 for line in lines if line.in_flight)

    async def run(
        self,
        statement: Sql,
        session: Session,
        *,
        lane: str,
        prepared: bool = True,
        rollback: bool = False,
        party: str | None = None,
    ) -> list[Row]:
        """Run one statement in a transaction of its own and return its rows, each value as PostgreSQL's text.

        `lane`: the name of one. `prepared`: keep the statement prepared on the connection, for texts that come again;
        otherwise PostgreSQL plans it for its values. `rollback`: undo what it did. `party`: whose share of the lane it
        takes, if not that of the session's company.

        Raises:
            DatabaseError: PostgreSQL refused it.
            Problem: a value that PostgreSQL cannot store (400), no connection or none free in time (503).
        """
        lines = self._lines[lane]
        shares_sync = lines.lane.shares_sync
        work = Work(
            statement.text,
            [as_text(value) for value in statement.parameters],
            _settings(session),
            asyncio.get_running_loop().create_future(),
            prepared=prepared,
            # A time zone holds up to the sync, so neighbours would get it too.
            shares_sync=shares_sync and session.time_zone is None,
            rollback=rollback,
        )
        if party is None:
            party = session.company_id
        line = lines.take_now(party) or await lines.take(party)
        line.send(work)
        try:
            return await work.future
        except ConnectionLostError as error:
            raise problems.database_unavailable() from error
        finally:
            if shares_sync:
                lines.give_back(party)
            # The work holds the error, which holds this frame: a circle, which only the collector would undo.
            del work

    async def _keep(self, lines: Lines, first: asyncio.Future[None]) -> None:
        """Hold one connection of a lane open for as long as the process lives."""
        failures = 0
        while not self._closing:
            try:
                ended = await self._connect(lines)
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
                log.warning("A database connection ended.", lane=lines.lane.name, reason=reason.strip())

    async def _pause(self, failures: int) -> None:
        await asyncio.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])
        if self._revive is not None and failures >= len(RECONNECT_SECONDS):
            try:
                await asyncio.to_thread(self._revive)
            except Exception as error:  # noqa: BLE001 one turn of a loop that must go on
                log.warning("The embedded database does not start.", reason=str(error))

    async def _connect(self, lines: Lines) -> asyncio.Future[str]:
        """Open a connection of a lane; the future gets the reason of its end."""
        lane = lines.lane
        conninfo = make_conninfo(lane.dsn, application_name="tieline", client_encoding="UTF8")
        prepare = session_sql(self._settings, lane.timeout_ms)
        pgconn, is_pooled = await asyncio.to_thread(connect, conninfo.encode(), prepare, CONNECT_SECONDS_MAX)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def lost(reason: str) -> None:
            watch.cancel()
            lines.remove(line)
            if not ended.done():
                ended.set_result(reason)

        line = Pipeline(
            pgconn,
            prepared=Kept(
                self._settings.shapes_bytes_max,
                self._settings.shape_bytes_max,
                self._settings.prepared_statements_max,
            ),
            lost=lost,
            idle=lambda: _on_idle(line, lines),
            brought=transaction_sql(self._settings, lane.timeout_ms) if is_pooled else None,
        )
        backend = None if is_pooled else Backend(pgconn, self._settings.backend_bytes_max)
        watch = asyncio.create_task(_watch(line, lines, backend, lane.timeout_ms / 1000 + SILENCE_SECONDS))
        lines.add(line)
        return ended


def _on_idle(line: Pipeline, lines: Lines) -> None:
    """Hand the connection to the next statement, or end it: another one is made in its place.

    The last one of a lane goes on until another one is there: without any, statements would be refused.
    """
    if line.is_worn and len(lines.open) > 1:
        line.end(GROWN)
    else:
        lines.on_idle(line)


async def _watch(line: Pipeline, lines: Lines, backend: Backend | None, silence_seconds_max: float) -> None:
    """End a connection whose server has been silent for too long, or whose backend has grown, once it is idle."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        seconds = loop.time() - line.progress_at if line.in_flight else 0.0
        if seconds > silence_seconds_max:
            line.end("the server did not answer in time")
        elif backend is not None:
            line.is_worn = line.is_worn or backend.has_grown(seconds)
            if line.is_worn and not line.in_flight and len(lines.open) > 1:
                line.end(GROWN)


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
        is_half = halves.HALF.encode() in value
        raise problems.text_not_storable("half of a surrogate pair" if is_half else "a NUL character")
    return value
