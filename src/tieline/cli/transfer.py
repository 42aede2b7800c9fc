"""`tieline import` and `tieline export`: whole files in and out."""

import gzip
import os
import secrets
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Annotated, cast
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tieline.cli.interrupts import Interruption, Interrupts, interrupts
from tieline.cli.terminal import Company, Options, RefusalError, answer, registry, say, session
from tieline.cli.usage import require_no_option
from tieline.dialect.statement import Limits
from tieline.postgres.pipeline import DatabaseError
from tieline.postgres.pooler import limits_sql
from tieline.postgres.run import as_problem
from tieline.store.batches.plan import OnConflict, OnExisting
from tieline.transfer import records, report
from tieline.transfer.choice import chosen
from tieline.transfer.columns import File, What
from tieline.transfer.formats import FORMATS, GZIP_ENDING, TEXT_FORMATS, FileRefusedError, Format, either, format_of
from tieline.transfer.landed import Job, Landed
from tieline.transfer.load import StoppedError, load
from tieline.transfer.progress import Progress
from tieline.transfer.records import Reading
from tieline.transfer.report import Note
from tieline.transfer.unload import Export, unload

# The terminal shows so many refused rows and counts the rest; --report writes them all.
REFUSED_SHOWN_MAX = 1_000

FileName = Annotated[
    str,
    Parameter(
        name="FILE", allow_leading_hyphen=True, validator=require_no_option, help="The file; - is standard input."
    ),
]

FormatName = Annotated[
    Format | None,
    Parameter(
        name="--format",
        help="The format; spreadsheet is CSV with texts as formulas.",
        show_default="by the ending of the file",
    ),
]
ReportName = Annotated[
    str | None,
    Parameter(
        name="--report",
        help="A file (.csv, .tsv, .ndjson) for all refused rows and moved ids, with line and reason.",
        show_default="none",
    ),
]


def import_file(  # noqa: PLR0913 -- an option each
    file: FileName,
    /,
    *,
    company: Company,
    what: Annotated[What, Parameter(help="The kind of rows.")],
    format_: FormatName = None,
    sheet: Annotated[str | None, Parameter(help="The sheet of a workbook.", show_default="the first")] = None,
    on_conflict: Annotated[
        OnConflict, Parameter(help="What to do when another entity holds the external id.")
    ] = "report",
    on_existing: Annotated[
        OnExisting, Parameter(help="What to do when the entity is linked in that system already.")
    ] = "update",
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would happen, and change nothing.", show_default="no")
    ] = False,
    report_file: ReportName = None,
    options: Options | None = None,
) -> int:
    """Import a file. Rows that are there already change nothing; rows that cannot land are reported."""
    form = _form(file, format_)
    settings = (options or Options()).load()
    of_company = session(company, f"import_{secrets.token_hex(8)}")
    job = Job(what, of_company, limits_sql(settings), on_conflict, on_existing, dry_run)
    progress = Progress()
    with interrupts() as interrupted, ExitStack() as stack:
        stream = stack.enter_context(_opened(file))
        reading = records.reading(settings, sheet or "")
        read = stack.enter_context(_read(stream, form, what, reading))
        note = stack.enter_context(_noting(report_file, file, read, form))
        stack.enter_context(_ending(progress, interrupted, is_dry_run=dry_run))
        conn = stack.enter_context(registry(options))
        advance = stack.enter_context(_progress(file, stream))

        def tell(landed: Landed) -> None:
            note(landed)
            _show(landed, progress.refused)
            progress.add(landed)
            advance()
            interrupted.check()

        load(conn, interrupted.between(progress.passing(read.records)), job, tell)
    return 1 if progress.refused else 0


@contextmanager
def _ending(progress: Progress, interrupted: Interrupts, *, is_dry_run: bool) -> Generator[None]:
    """Print the counts at the end, and what did not land if it comes too early."""
    try:
        yield
    except Interruption:
        _sum_up(progress, is_dry_run=is_dry_run)
        cut_off = " Whether the batch that was under way landed is not known." if interrupted.is_forced else ""
        say(f"Interrupted.{cut_off} {_rest(progress, is_dry_run=is_dry_run)}")
        raise
    except (StoppedError, FileRefusedError, DatabaseError) as error:
        _sum_up(progress, is_dry_run=is_dry_run)
        reason = _reason("import", error) if isinstance(error, DatabaseError) else str(error)
        raise RefusalError(f"{reason} {_rest(progress, is_dry_run=is_dry_run)}") from None
    _sum_up(progress, is_dry_run=is_dry_run)


def _sum_up(progress: Progress, *, is_dry_run: bool) -> None:
    if progress.refused > REFUSED_SHOWN_MAX:
        say(f"… and {progress.refused - REFUSED_SHOWN_MAX:,} more refused rows; --report FILE writes them all.")
    counts = progress.landed
    answer(
        f"{counts.created:,} created, {counts.updated:,} updated, {counts.unchanged:,} unchanged, "
        f"{counts.kept:,} kept, {progress.moved:,} moved ({progress.moved:,} ids taken from others), "
        f"{counts.skipped:,} skipped, {progress.refused:,} refused"
        + (" (dry run: nothing was changed)" if is_dry_run else "")
    )


def _reason(command: str, error: DatabaseError) -> str:
    """The sentence for a database that went away, or refused a statement, in the middle."""
    problem = as_problem(error)
    said = error.message if problem is None else problem.message
    return f"The {command} stopped: {' '.join(said.split()).rstrip('.')}."


def _rest(progress: Progress, *, is_dry_run: bool) -> str:
    return "It was a dry run: nothing was changed." if is_dry_run else progress.rest()


def _show(landed: Landed, shown: int) -> None:
    """Print the refused rows of a batch, as long as there is room."""
    for refused in landed.refused[: max(0, REFUSED_SHOWN_MAX - shown)]:
        say(f"line {refused.line}: {refused.reason}")


def _form(name: str, given: Format | None, known: tuple[Format, ...] = FORMATS) -> Format:
    try:
        return format_of(name, given, known)
    except FileRefusedError as error:
        raise RefusalError(str(error)) from None


def export_file(
    *,
    company: Company,
    what: Annotated[What, Parameter(help="The kind of rows.")],
    format_: Annotated[
        Format | None,
        Parameter(name="--format", help="The format.", show_default="by the ending of the output, else csv"),
    ] = None,
    filters: Annotated[
        list[str] | None,
        Parameter(
            name="--filter",
            negative="",
            help="Only rows that this filter of the mapping face chooses (integration=eq.xero); may be repeated.",
            show_default="all rows",
        ),
    ] = None,
    output: Annotated[
        str | None,
        Parameter(help="The file, which appears when it is complete.", show_default="standard output"),
    ] = None,
    options: Options | None = None,
) -> None:
    """Export rows of a company; import takes them back unchanged."""
    form = _form(output, format_, TEXT_FORMATS) if output and output != "-" else format_ or "csv"
    if form in ("xlsx", "ods"):
        raise RefusalError(
            f"An export is written as {either(TEXT_FORMATS)}, not as {form}; "
            "spreadsheets open --format spreadsheet (a .csv file) and keep its ids as they are."
        )
    settings = (options or Options()).load()
    limits = Limits(settings.filter_depth_max, 1)
    export = Export(what, form, limits_sql(settings), chosen(what, _query(filters or []), company, limits))
    with interrupts(), _export_ending(output), registry(options) as conn, _written(output) as stream:
        unload(conn, export, session(company), stream)


def _query(filters: Sequence[str]) -> str:
    """The filters as a query string.

    >>> _query(["externalId=eq.a&b", "integration=eq.xero"])
    'externalId=eq.a%26b&integration=eq.xero'
    """
    if "" in filters:
        raise RefusalError("--filter is empty; one is column=operator.value, such as integration=eq.xero.")
    pairs = [filter_.partition("=") for filter_ in filters]
    return "&".join(f"{quote(name)}{equals}{quote(value)}" for name, equals, value in pairs)


@contextmanager
def _export_ending(output: str | None) -> Generator[None]:
    """Tell what became of the file if the database goes away."""
    try:
        yield
    except DatabaseError as error:
        is_file = output is not None and output != "-"
        rest = "No file was written." if is_file else "What was written is not the whole."
        raise RefusalError(f"{_reason('export', error)} {rest}") from None


@contextmanager
def _opened(name: str) -> Generator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as stream:
            yield stream
    except OSError as error:
        if error.filename is None:
            raise
        raise RefusalError(f"The file {name} cannot be read: {error.strerror}.") from None


@contextmanager
def _read(stream: IO[bytes], form: Format, what: What, reading: Reading) -> Generator[File]:
    try:
        read = records.read(stream, form, what, reading)
    except FileRefusedError as error:
        raise RefusalError(str(error)) from None
    with closing(read.records):
        yield read


@contextmanager
def _noting(name: str | None, imported: str, file: File, form: Format) -> Generator[Note]:
    """Write the report, if there is to be one."""
    if name is None:
        yield lambda _: None
        return
    path = Path(name)
    if path.exists() and imported != "-" and path.samefile(imported):
        raise RefusalError(f"The report would overwrite the file {name} that is imported.")
    try:
        with report.written(path, file, form) as note:
            yield note
    except OSError as error:
        # Of the errors of the import itself none has this name.
        if error.filename != str(path):
            raise
        raise RefusalError(f"The report {name} cannot be written: {error.strerror}.") from None


@contextmanager
def _progress(name: str, stream: IO[bytes]) -> Generator[Callable[[], None]]:
    """A progress bar on a terminal, for the part of the file that has landed."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    total = os.fstat(stream.fileno()).st_size if stream.seekable() else None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(Path(name).name, total=total)
        yield lambda: progress.update(task, completed=stream.tell() if stream.seekable() else 0)


@contextmanager
def _written(name: str | None) -> Generator[IO[bytes]]:
    """The output. A file is written beside its place and moved there when it is complete."""
    if name is None or name == "-":
        yield sys.stdout.buffer
        return
    path = Path(name)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("xb") as stream:
            if path.suffix.lower() == GZIP_ENDING:
                with gzip.GzipFile(path.stem, "wb", fileobj=stream) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        raise RefusalError(f"The file {name} cannot be written: {error.strerror}.") from None
    finally:
        beside.unlink(missing_ok=True)
