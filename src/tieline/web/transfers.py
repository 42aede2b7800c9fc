"""Import and export over HTTP, for keys of api.admin; the same as `tieline import` and `tieline export`."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from dataclasses import dataclass
from typing import IO, cast, get_args

import msgspec

from tieline import accept, problems
from tieline.postgres.database import connected
from tieline.postgres.pipeline import DatabaseError
from tieline.postgres.run import as_problem
from tieline.postgres.session import Session
from tieline.problems import FieldError, Problem
from tieline.store.companies import UnknownCompanyError
from tieline.transfer import records
from tieline.transfer.columns import Refused, Row, What
from tieline.transfer.formats import FileRefusedError, Format
from tieline.transfer.load import Job, Landed, StoppedError, load
from tieline.transfer.plan import OnConflict
from tieline.transfer.unload import unload
from tieline.web import decode
from tieline.web.auth import Caller, require_scope
from tieline.web.request import Request
from tieline.web.respond import JSON, Answer
from tieline.web.server import Server

MEDIA_TYPES: dict[str, Format] = {"text/csv": "csv", "application/x-ndjson": "ndjson", "application/ndjson": "ndjson"}
CONTENT_TYPES: dict[str, str] = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
IMPORT_PARAMETERS = frozenset({"onConflict", "dryRun"})
# The answer lists so many refused rows; it counts all of them.
REFUSALS_MAX = 1_000
# Pieces of an export that wait for a slow client.
CHUNKS_WAITING_MAX = 4


class Refusal(msgspec.Struct):
    """A row that did not land."""

    line: int
    reason: str


class Report(msgspec.Struct, rename="camel"):
    """The body of an import's answer: how many rows became what."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: int = 0
    dry_run: bool = False
    refusals: list[Refusal] = msgspec.field(default_factory=list[Refusal])

    def add(self, landed: Landed) -> None:
        """Count a batch."""
        self.created += landed.created
        self.updated += landed.updated
        self.unchanged += landed.unchanged
        self.skipped += landed.skipped
        self.refused += len(landed.refused)
        room = REFUSALS_MAX - len(self.refusals)
        self.refusals += [Refusal(refused.line, refused.reason) for refused in landed.refused[:room]]


@dataclass(slots=True)
class Progress:
    """How far an import has come; `next_line` is the first line that was read and has not landed."""

    report: Report
    next_line: int | None = None

    def passing(self, rows: Iterable[Row | Refused]) -> Generator[Row | Refused]:
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
        rows = records.read(file, form, job.what, job.session.company_id)
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
    on_conflict = values.get("onConflict", "report")
    if on_conflict not in get_args(OnConflict):
        message = f"onConflict must be one of {', '.join(get_args(OnConflict))}."
        raise problems.validation_failed(FieldError("query", "onConflict", "invalid", message))
    dry_run = values.get("dryRun", "false")
    if dry_run not in {"true", "false"}:
        raise problems.validation_failed(FieldError("query", "dryRun", "invalid", "dryRun must be true or false."))
    session = Session(caller.company_id, caller.key_id, request.id)
    return Job(what, session, cast(OnConflict, on_conflict), is_dry_run=dry_run == "true")
