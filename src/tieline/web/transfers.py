"""Import and export over HTTP, for keys of api.admin; the same as `tieline import` and `tieline export`."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from dataclasses import dataclass
from typing import IO, cast, get_args

import msgspec

from tieline import problems
from tieline.postgres.database import connected
from tieline.postgres.pipeline import DatabaseError
from tieline.postgres.run import as_problem
from tieline.postgres.session import Session
from tieline.problems import FieldError, Problem
from tieline.store.batches.plan import OnConflict, OnExisting
from tieline.store.batches.results import Holder, MappingKey
from tieline.store.companies import UnknownCompanyError
from tieline.transfer import records
from tieline.transfer.columns import Record, Refused, What
from tieline.transfer.formats import FileRefusedError, Format
from tieline.transfer.landed import Job, Landed
from tieline.transfer.load import StoppedError, load
from tieline.transfer.unload import unload
from tieline.web import decode
from tieline.web.auth import Caller, require_scope
from tieline.web.request import Request
from tieline.web.respond import JSON, Answer
from tieline.web.server import Server
from tieline.wire import accept

MEDIA_TYPES: dict[str, Format] = {"text/csv": "csv", "application/x-ndjson": "ndjson", "application/ndjson": "ndjson"}
CONTENT_TYPES: dict[str, str] = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
IMPORT_PARAMETERS = frozenset({"onConflict", "onExisting", "dryRun"})
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


@dataclass(slots=True)
class Progress:
    """The progress of an import; `next_line` is the first line that was read and has not landed."""

    report: Report
    next_line: int | None = None

    def passing(self, rows: Iterable[Record | Refused]) -> Generator[Record | Refused]:
        """The same rows, noted as they are read."""
        for row in rows:
            if self.next_line is None:
                self.next_line = row.line
            yield row

    def add(self, landed: Landed) -> None:
        """All rows that were read have landed."""
        self.report.add(landed)
        self.next_line = None

    def stopped(self, reason: str) -> Problem:
        """The end of an import that cannot go on."""
        landed = msgspec.to_builtins(self.report)
        return problems.import_stopped(self.next_line, reason, landed, is_dry_run=self.report.dry_run)


async def import_rows(server: Server, request: Request, caller: Caller) -> Answer:
    """Import the file in the body. It is read whole before the first row lands, so a cut connection changes nothing.

    Raises:
        Problem: the whole file cannot be imported, or a batch did not land; then its members say what had landed.
    """
    require_scope(caller, "api.admin")
    what, form = _what(request), _body_form(request)
    job = _job(request, caller, what)
    report = Report(dry_run=job.is_dry_run)
    with server.transfers.one(), tempfile.TemporaryFile() as file:
        await request.spool(file, server.settings.import_bytes_max)
        file.seek(0)
        await asyncio.to_thread(_load, server.dsn, file, form, job, Progress(report))
    return Answer(200, (("content-type", JSON),), msgspec.json.encode(report))


async def export_rows(server: Server, request: Request, caller: Caller) -> Answer:
    """Stream all rows of the company, as they were at one moment.

    Raises:
        Problem: the client accepts neither format, or the database is away.
    """
    require_scope(caller, "api.admin")
    what, form = _what(request), _answer_form(request)
    decode.query(request, frozenset())
    stream = _exported(server, what, form, Session(caller.company_id, caller.key_id, request.id))
    # The first piece is read before the status is sent: until then a problem can still be answered.
    first = await anext(stream, b"")
    headers = (
        ("content-type", CONTENT_TYPES[form]),
        ("content-disposition", f'attachment; filename="{what}.{form}"'),
        ("vary", "Accept"),
    )
    return Answer(200, headers, first, stream)


def _load(dsn: str, file: IO[bytes], form: Format, job: Job, progress: Progress) -> None:
    """Load the file. In a thread, since the loader waits for PostgreSQL."""
    try:
        rows = records.read(file, form, job.what).records
        with connected(dsn) as conn:
            load(conn, progress.passing(rows), job, progress.add)
    except FileRefusedError as error:
        raise problems.bad_request(str(error)) from None
    except UnknownCompanyError:
        raise problems.unauthorized("The company of this key does not exist any more.") from None
    except StoppedError as error:
        raise progress.stopped(str(error)) from error
    except DatabaseError as error:
        problem = as_problem(error)
        raise progress.stopped(problem.message if problem else error.message) from error


async def _exported(server: Server, what: What, form: Format, session: Session) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_WAITING_MAX)
    pieces = _Pieces(lambda piece: asyncio.run_coroutine_threadsafe(waiting.put(piece), loop).result())
    with server.transfers.one():
        copying = asyncio.create_task(asyncio.to_thread(_unload, server.dsn, what, form, session, pieces))
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
        """Do nothing: each piece is handed on as it comes."""

    def end(self) -> None:
        """Tell the reader that this was the last piece."""
        if self.are_wanted:
            self._put(None)


def _unload(dsn: str, what: What, form: Format, session: Session, pieces: _Pieces) -> None:
    try:
        with connected(dsn) as conn:
            unload(conn, what, form, session, cast(IO[bytes], pieces))
    except BrokenPipeError:
        return
    except UnknownCompanyError:
        raise problems.unauthorized("The company of this key does not exist any more.") from None
    except DatabaseError as error:
        raise as_problem(error) or error from error
    finally:
        pieces.end()


def _what(request: Request) -> What:
    what = request.parameters["what"]
    if what not in get_args(What):
        raise problems.endpoint_not_found(request.path)
    return cast(What, what)


def _body_form(request: Request) -> Format:
    media_type = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise problems.unsupported_media_type(media_type or "nothing", "text/csv or application/x-ndjson")
    return MEDIA_TYPES[media_type]


def _answer_form(request: Request) -> Format:
    """The form that the client prefers; CSV if it takes any form."""
    header = request.header(b"accept") or ""
    media_type = accept.best(header, tuple(MEDIA_TYPES))
    if media_type is None:
        raise problems.not_acceptable(header, "text/csv or application/x-ndjson")
    return MEDIA_TYPES[media_type]


def _job(request: Request, caller: Caller, what: What) -> Job:
    values = decode.query(request, IMPORT_PARAMETERS)
    on_conflict = _word(values, "onConflict", "report", get_args(OnConflict))
    on_existing = _word(values, "onExisting", "update", get_args(OnExisting))
    is_dry_run = _word(values, "dryRun", "false", ("true", "false")) == "true"
    session = Session(caller.company_id, caller.key_id, request.id)
    return Job(what, session, cast(OnConflict, on_conflict), cast(OnExisting, on_existing), is_dry_run)


def _word(values: dict[str, str], name: str, default: str, words: tuple[str, ...]) -> str:
    word = values.get(name, default)
    if word not in words:
        message = f"{name} must be {' or '.join([', '.join(words[:-1]), words[-1]])}."
        raise problems.validation_failed(FieldError("query", name, "invalid", message))
    return word
