"""Import and export over HTTP, for keys of api.admin; the same as `tieline import` and `tieline export`."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from functools import partial
from typing import IO, cast

import msgspec

from tieline import problems
from tieline.dialect import choice
from tieline.postgres.database import connected
from tieline.postgres.pipeline import DatabaseError
from tieline.postgres.run import as_problem
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.store.batches.results import Holder, MappingKey
from tieline.store.companies import UnknownCompanyError
from tieline.transfer import records
from tieline.transfer.columns import Refused
from tieline.transfer.formats import FileRefusedError
from tieline.transfer.landed import Landed
from tieline.transfer.load import StoppedError, load
from tieline.transfer.progress import Progress
from tieline.transfer.unload import Export, unload
from tieline.web.auth import Caller, require_scope
from tieline.web.request import Request
from tieline.web.respond import JSON, Answer
from tieline.web.server import Server
from tieline.web.transfer_request import CONTENT_TYPES, ENDINGS, ImportAsked, export_asked, import_asked

# The answer lists so many refused rows and moved ids; it counts all of them.
REFUSALS_MAX = 1_000
# Pieces of an export that wait for a slow client.
CHUNKS_WAITING_MAX = 4


class Refusal(msgspec.Struct, frozen=True, rename="camel"):
    """A row that did not land. `holder` has its external id, `duplicate_of` is the line of another row about it."""

    line: int
    code: str
    reason: str
    holder: Holder | None = None
    duplicate_of: int | None = None


class Move(msgspec.Struct, frozen=True, rename="camel"):
    """A row that took its external id from another mapping."""

    line: int
    moved_from: MappingKey


class Report(msgspec.Struct, rename="camel"):
    """The body of an import's answer: how many rows became what."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0
    moved: int = 0
    skipped: int = 0
    refused: int = 0
    dry_run: bool = False
    refusals: list[Refusal] = msgspec.field(default_factory=list[Refusal])
    moves: list[Move] = msgspec.field(default_factory=list[Move])

    def add(self, landed: Landed) -> None:
        """Count a batch."""
        self.created += landed.created
        self.updated += landed.updated
        self.unchanged += landed.unchanged
        self.kept += landed.kept
        self.moved += len(landed.moved)
        self.skipped += landed.skipped
        self.refused += len(landed.refused)
        room = REFUSALS_MAX - len(self.refusals)
        self.refusals += map(_refusal, landed.refused[:room])
        room = REFUSALS_MAX - len(self.moves)
        self.moves += [Move(one.record.line, one.loser) for one in landed.moved[:room]]


def _refusal(refused: Refused) -> Refusal:
    return Refusal(refused.line, refused.code, refused.reason, refused.holder, refused.duplicate_of)


async def import_rows(server: Server, request: Request, caller: Caller) -> Answer:
    """Import the file in the body. It is read whole before the first row lands, so a cut connection changes nothing.

    Raises:
        Problem: the whole file cannot be imported, or a batch did not land; then its members say what had landed.
    """
    require_scope(caller, "api.admin")
    asked = import_asked(request, caller, server.settings)
    report = Report(dry_run=asked.job.is_dry_run)
    company = caller.company_id
    if not server.uploads.take_now(company):
        raise problems.too_busy()
    with tempfile.TemporaryFile() as file:
        try:
            await request.spool(file, server.settings.import_bytes_max)
        finally:
            server.uploads.give_back(company)
        file.seek(0)
        # Only now: a client that sends slowly holds nothing up.
        async with server.transfers.one(company, waits=True):
            await _loaded(server, file, asked, report)
    return Answer(200, (("content-type", JSON),), msgspec.json.encode(report))


async def export_rows(server: Server, request: Request, caller: Caller) -> Answer:
    """Stream all rows of the company, as they were at one moment.

    Raises:
        Problem: the client accepts no format that there is, or the database is away.
    """
    require_scope(caller, "api.admin")
    asked = export_asked(request, caller, server.query_limits, server.settings)
    stream = _exported(server, asked, Session(caller.company_id, caller.key_id, request.id))
    # The first piece is read before the status is sent: until then a problem can still be answered.
    first = await anext(stream, b"")
    headers = (
        ("content-type", CONTENT_TYPES[asked.form]),
        ("content-disposition", f'attachment; filename="{asked.what}.{ENDINGS[asked.form]}"'),
        ("vary", "Accept"),
    )
    return Answer(200, headers, first, stream)


async def _loaded(server: Server, file: IO[bytes], asked: ImportAsked, report: Report) -> None:
    """Load the file in a thread, to its end or until the server shuts down: then after the batch that is under way."""
    progress = Progress()
    work = partial(_load, server.dsn, file, asked, report, progress)
    loading = asyncio.get_running_loop().run_in_executor(server.transfer_threads, work)
    try:
        await asyncio.shield(loading)
    except asyncio.CancelledError:
        progress.must_end = True
        await loading
    finally:
        # See aside.py.
        del loading


def _load(dsn: str, file: IO[bytes], asked: ImportAsked, report: Report, progress: Progress) -> None:
    """Load the file. In a thread, since the loader waits for PostgreSQL."""

    def tell(landed: Landed) -> None:
        report.add(landed)
        progress.add(landed)

    try:
        with (
            closing(records.read(file, asked.form, asked.job.what, asked.reading).records) as rows,
            connected(dsn) as conn,
        ):
            load(conn, progress.passing(rows), asked.job, tell)
    except UnknownCompanyError:
        raise problems.unauthorized("The company of this key does not exist any more.") from None
    except FileRefusedError as error:
        if progress.last_line:
            raise _stopped(progress, report, str(error)) from error
        raise problems.bad_request(str(error)) from None
    except StoppedError as error:
        raise _stopped(progress, report, str(error)) from error
    except DatabaseError as error:
        problem = as_problem(error)
        raise _stopped(
            progress, report, problem.message if problem else f"the database refused it ({error.sqlstate})"
        ) from error


def _stopped(progress: Progress, report: Report, reason: str) -> Problem:
    """The end of an import that cannot go on."""
    rest = "Nothing was changed: send the file again." if report.dry_run else progress.rest()
    return problems.import_stopped(progress.next_line, reason, rest, msgspec.to_builtins(report))


async def _exported(server: Server, asked: Export, session: Session) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_WAITING_MAX)
    pieces = _Pieces(lambda piece: asyncio.run_coroutine_threadsafe(waiting.put(piece), loop).result())
    async with server.transfers.one(session.company_id, waits=False):
        work = partial(_unload, server.dsn, asked, session, pieces)
        copying = loop.run_in_executor(server.transfer_threads, work)
        try:
            while (piece := await waiting.get()) is not None:
                yield piece
            await copying
        finally:
            pieces.are_wanted = False
            # The thread may wait for room in the queue; once it has some, it sees that nobody reads any more.
            while not copying.done():
                while not waiting.empty():
                    waiting.get_nowait()
                await asyncio.wait([copying], timeout=0.05)


class _Pieces:
    """The stream that COPY writes to, in its thread."""

    def __init__(self, put: Callable[[bytes | None], None]) -> None:
        self._put = put
        self.are_wanted = True

    def write(self, piece: bytes) -> int:
        if not self.are_wanted:
            raise BrokenPipeError
        self._put(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Find out whether the reader is still there. Each piece is handed on as it comes."""
        if not self.are_wanted:
            raise BrokenPipeError

    def end(self) -> None:
        """Tell the reader that this was the last piece."""
        if self.are_wanted:
            self._put(None)


def _unload(dsn: str, asked: Export, session: Session, pieces: _Pieces) -> None:
    try:
        with connected(dsn) as conn:
            unload(conn, asked, session, cast(IO[bytes], pieces))
    except BrokenPipeError:
        return
    except UnknownCompanyError:
        raise problems.unauthorized("The company of this key does not exist any more.") from None
    except DatabaseError as error:
        problem = as_problem(error)
        if problem is None and asked.chosen is not None:
            problem = choice.refused(error.sqlstate, error.message, error.detail, error.hint)
        raise problem or error from error
    finally:
        pieces.end()
