"""One PostgreSQL connection in libpq's pipeline mode: statements are sent without waiting for the answers before them.

Each request sends its settings (company, actor; transaction-local), its statement and a sync. Together they are one
implicit transaction and one round trip. Reads that are sent in the same turn of the event loop share a sync: the
backend is woken once and answers many. A statement that fails aborts those after it up to the sync; they did not run
and are sent again, each with a sync of its own. Writes never share a sync: an error would undo a neighbour's write.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import LiteralString

import msgspec
from psycopg import OperationalError
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from tieline.kept import Kept
from tieline.postgres.constraint import constraint_name

Row = tuple[bytes | None, ...]

SETTINGS = b"settings"
SETTINGS_SQL = (
    b"select set_config('tieline.company', $1, true), set_config('tieline.actor', $2, true), "
    b"set_config('tieline.requestId', $3, true)"
)
SETTINGS_TIME_ZONE = b"settings_time_zone"
SETTINGS_TIME_ZONE_SQL = SETTINGS_SQL + b", set_config('TimeZone', $4, true)"

# The statement is not prepared: somebody deallocated it, or its preparation was aborted. It is prepared again.
UNKNOWN_STATEMENT = "26000"
# Look-ups of one turn of the event loop go to one backend, so that it is woken once; more than these go to the next.
GATHERED_MAX = 8
SENDS_MAX = 5


@dataclass(eq=False)
class DatabaseError(Exception):
    """PostgreSQL refused a statement; these are the fields of its error report."""

    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    constraint: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.sqlstate}: {self.message}"


@dataclass(eq=False)
class ConnectionLostError(Exception):
    """The connection ended while the statement was under way; nobody knows if it was committed."""

    reason: str


class Work(msgspec.Struct, eq=False):
    """A statement on its way, the future of its caller, and the results so far."""

    text: LiteralString
    parameters: list[bytes | None]
    settings: list[bytes | None]
    future: asyncio.Future[list[Row]]
    prepared: bool
    shares_sync: bool
    rollback: bool
    sends: int = 0
    name: bytes | None = None
    rows: list[Row] | None = None
    error: DatabaseError | None = None


class Step(Enum):
    """The kind of message that the next result answers."""

    CLOSE = auto()
    PREPARE = auto()
    PASS = auto()
    STATEMENT = auto()
    SYNC = auto()


@dataclass(slots=True, eq=False)
class Group:
    """The works before one sync; `whom` is the company and the actor that their transaction is set to."""

    works: list[Work] = field(default_factory=list[Work])
    whom: list[bytes | None] | None = None


Owner = Work | Group | bytes | None


class Pipeline:
    """A connection in pipeline mode on the running event loop.

    `lost` is called once, when the connection has ended; `idle` whenever nothing is under way any more.
    """

    def __init__(
        self,
        pgconn: PGconn,
        *,
        prepared: Kept[str, bytes],
        lost: Callable[[str], None],
        idle: Callable[[], None],
        brought: tuple[bytes, bytes] | None = None,
    ) -> None:
        """Take over a connection that connect.py has made and prepared.

        `prepared`: the names of the statements that are prepared on it, by their texts; it is empty.
        `brought`: behind a pooler, the SQL of a transaction's settings (pooler.py); then nothing is prepared.
        """
        self._pgconn = pgconn
        self._brought = brought
        self._loop = asyncio.get_running_loop()
        self._lost = lost
        self._idle = idle
        self._steps: deque[tuple[Step, Owner]] = deque()
        self._group = Group()
        self._prepared = prepared
        self._forgotten: list[bytes] = []
        self._names = 0
        self._sync_is_due = False
        self._writes = False
        self._answered = False
        self._ended = False
        self.in_flight = 0
        # It takes no more statements; it ends when it is idle.
        self.is_worn = False
        self.progress_at = self._loop.time()
        self._socket = pgconn.socket
        pgconn.nonblocking = 1
        pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._on_readable)

    @property
    def gathers(self) -> bool:
        """A look-up that is sent now would share its sync with others, and their number is below the limit."""
        return self._sync_is_due and len(self._group.works) < GATHERED_MAX

    def send(self, work: Work) -> None:
        """Send a statement; `work.future` gets its rows, a DatabaseError or a ConnectionLostError."""
        if self._ended:
            work.future.set_exception(ConnectionLostError("the connection has ended"))
            return
        if self.in_flight == 0:
            self.progress_at = self._loop.time()
        self.in_flight += 1
        work.sends += 1
        work.rows, work.error = None, None
        try:
            self._send(work)
        except OperationalError as error:
            self._group.works.append(work)
            self.end(str(error))

    def end(self, reason: str) -> None:
        """Close the connection; everything under way fails."""
        if self._ended:
            return
        self._ended = True
        self._loop.remove_reader(self._socket)
        if self._writes:
            self._loop.remove_writer(self._socket)
        self._pgconn.finish()
        groups = [owner for _, owner in self._steps if isinstance(owner, Group)]
        for work in [work for group in [*groups, self._group] for work in group.works]:
            if not work.future.done():
                work.future.set_exception(ConnectionLostError(reason))
        self._steps.clear()
        self._lost(reason)

    def _send(self, work: Work) -> None:
        conn = self._pgconn
        # A work that a neighbour's error has aborted goes alone the second time, so no neighbour can abort it again.
        alone = not work.shares_sync or work.sends > 1
        if alone and self._group.works:
            self._sync()
        if work.rollback:
            self._send_text(b"begin")
        is_prepared = work.prepared and self._brought is None and self._prepared.takes(len(work.text))
        name = work.name = self._prepare(work) if is_prepared else None
        whom = work.settings[:2]
        # A neighbour's settings hold up to the sync. Its request id may stay: only writes record it.
        if self._group.whom != whom:
            self._send_settings(work)
            self._group.whom = whom
        if name is None:
            conn.send_query_params(work.text.encode(), work.parameters)
        else:
            conn.send_query_prepared(name, work.parameters)
        self._steps.append((Step.STATEMENT, work))
        self._group.works.append(work)
        if alone:
            self._sync()
            if work.rollback:
                # After the statement's own sync: if the statement failed, the rollback would be skipped before it.
                self._send_text(b"rollback")
                self._sync()
        elif not self._sync_is_due:
            self._sync_is_due = True
            self._loop.call_soon(self._sync_when_due)

    def _send_settings(self, work: Work) -> None:
        has_time_zone = len(work.settings) > 3
        if self._brought is None:
            self._pgconn.send_query_prepared(SETTINGS_TIME_ZONE if has_time_zone else SETTINGS, work.settings)
        else:
            self._pgconn.send_query_params(self._brought[has_time_zone], work.settings)
        self._steps.append((Step.PASS, work))

    def _send_text(self, text: bytes) -> None:
        self._pgconn.send_query_params(text, [])
        self._steps.append((Step.PASS, None))

    def _prepare(self, work: Work) -> bytes:
        name = self._prepared.get(work.text)
        if name is not None:
            return name
        self._names += 1
        name = b"s%d" % self._names
        self._forgotten += self._prepared.keep(work.text, name, len(work.text))
        while self._forgotten:
            forgotten = self._forgotten.pop()
            self._pgconn.send_close_prepared(forgotten)
            self._steps.append((Step.CLOSE, forgotten))
        self._pgconn.send_prepare(name, work.text.encode())
        self._steps.append((Step.PREPARE, work))
        return name

    def _sync_when_due(self) -> None:
        self._sync_is_due = False
        if self._ended or not self._group.works:
            return
        try:
            self._sync()
        except OperationalError as error:
            self.end(str(error))

    def _sync(self) -> None:
        self._pgconn.pipeline_sync()
        self._steps.append((Step.SYNC, self._group))
        self._group = Group()
        self._flush()

    def _flush(self) -> None:
        """Send what the socket's buffer takes; the rest of a large body goes when there is room again."""
        unsent = self._pgconn.flush() == 1
        if unsent and not self._writes:
            self._loop.add_writer(self._socket, self._on_writable)
        elif self._writes and not unsent:
            self._loop.remove_writer(self._socket)
        self._writes = unsent

    def _on_writable(self) -> None:
        try:
            self._flush()
        except OperationalError as error:
            self.end(str(error))

    def _on_readable(self) -> None:
        conn = self._pgconn
        try:
            conn.consume_input()
            nothing = 0
            while self._steps and not conn.is_busy() and nothing < 2:
                result = conn.get_result()
                nothing = nothing + 1 if result is None else 0
                self._take(result)
                if self._ended:
                    return
            if self._writes:
                self._flush()
        except OperationalError as error:
            self.end(str(error))

    def _take(self, result: PGresult | None) -> None:
        """Give one result to its step; None ends the results of a statement."""
        step, owner = self._steps[0]
        if result is None:
            if self._answered:
                self._answered = False
                self._steps.popleft()
            return
        status = result.status
        if status == ExecStatus.PIPELINE_SYNC:
            self._steps.popleft()
            assert isinstance(owner, Group), "only a sync answers a sync, and each carries its group"
            self._settle(owner)
            return
        # A sync fails when the commit does; its own result still follows.
        self._answered = step is not Step.SYNC
        if status == ExecStatus.FATAL_ERROR:
            self._refuse(step, owner, database_error(result))
        elif status == ExecStatus.PIPELINE_ABORTED:
            self._skip(step, owner)
        elif step is Step.STATEMENT:
            assert isinstance(owner, Work), "a statement belongs to its work"
            self._accept(owner, result)

    def _skip(self, step: Step, owner: Owner) -> None:
        """Note that an aborted step did not happen: neither a preparation nor a deallocation."""
        if isinstance(owner, bytes):
            self._forgotten.append(owner)
        elif step is Step.PREPARE and isinstance(owner, Work):
            self._unlearn(owner)

    def _unlearn(self, work: Work) -> None:
        """Note that the statement is not prepared under its name, unless it has got a newer name meanwhile."""
        if self._prepared.get(work.text) == work.name:
            self._prepared.forget(work.text)

    def _accept(self, work: Work, result: PGresult) -> None:
        columns = range(result.nfields)
        get = result.get_value
        work.rows = [tuple([get(i, j) for j in columns]) for i in range(result.ntuples)]
        # A read need not wait for the sync: there is nothing to commit.
        if work.shares_sync and not work.future.done():
            work.future.set_result(work.rows)

    def _refuse(self, step: Step, owner: Owner, error: DatabaseError) -> None:
        if step is Step.PREPARE and isinstance(owner, Work):
            self._unlearn(owner)
        for work in self._concerned(owner):
            work.error = work.error or error
            if error.sqlstate == UNKNOWN_STATEMENT and work.name is not None:
                self._unlearn(work)

    def _concerned(self, owner: Owner) -> list[Work]:
        """The works that a failure concerns: a step without a work concerns all works before the next sync."""
        if isinstance(owner, Work):
            return [owner]
        if isinstance(owner, Group):
            return owner.works
        return next((owner for _, owner in self._steps if isinstance(owner, Group)), self._group).works

    def _settle(self, group: Group) -> None:
        """The transaction has ended: answer its works; send those again that a neighbour's error aborted."""
        self.progress_at = self._loop.time()
        self.in_flight -= len(group.works)
        for work in group.works:
            if work.future.done():
                continue
            again = work.error.sqlstate == UNKNOWN_STATEMENT if work.error else work.rows is None
            if again and work.sends < SENDS_MAX:
                self.send(work)
            elif work.error is not None:
                work.future.set_exception(work.error)
            elif work.rows is not None:
                work.future.set_result(work.rows)
            else:
                work.future.set_exception(ConnectionLostError("aborted by the errors of neighbours too often"))
        if self.in_flight == 0 and not self._ended and not self._steps:
            self._idle()


def database_error(result: PGresult) -> DatabaseError:
    """The error report of a result."""

    def text(code: DiagnosticField) -> str | None:
        value = result.error_field(code)
        return None if value is None else value.decode(errors="replace")

    message = text(DiagnosticField.MESSAGE_PRIMARY) or ""
    return DatabaseError(
        sqlstate=text(DiagnosticField.SQLSTATE) or "XX000",
        message=message,
        detail=text(DiagnosticField.MESSAGE_DETAIL),
        hint=text(DiagnosticField.MESSAGE_HINT),
        constraint=constraint_name(text(DiagnosticField.CONSTRAINT_NAME), message),
        column=text(DiagnosticField.COLUMN_NAME),
    )
