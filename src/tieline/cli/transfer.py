"""`tieline import` and `tieline export`: whole files in and out."""

import csv
import os
import secrets
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tieline.cli.terminal import Company, Options, RefusalError, answer, registry, say, session
from tieline.cli.usage import require_no_option
from tieline.store.batches.plan import OnConflict, OnExisting
from tieline.store.batches.results import Holder, MappingKey
from tieline.transfer import records
from tieline.transfer.columns import File, Refused, What
from tieline.transfer.formats import FileRefusedError, Format, format_of
from tieline.transfer.landed import Job, Landed, Moved
from tieline.transfer.load import StoppedError, load
from tieline.transfer.mappings import texts
from tieline.transfer.unload import unload

REPORT_COLUMNS = ("line", "code", "reason", "holderEntityType", "holderEntityId", "holderMappingId")
# The terminal shows so many refused rows and counts the rest; --report writes them all.
REFUSED_SHOWN_MAX = 1_000

FileName = Annotated[
    str,
    Parameter(
        name="FILE", allow_leading_hyphen=True, validator=require_no_option, help="The file; - is standard input."
    ),
]


def import_file(  # noqa: PLR0913 -- an option each
    file: FileName,
    /,
    *,
    company: Company,
    what: Annotated[What, Parameter(help="The kind of rows.")],
    format_: Annotated[
        Format | None, Parameter(name="--format", help="The format.", show_default="by the ending of the file")
    ] = None,
    on_conflict: Annotated[
        OnConflict, Parameter(help="What to do when another entity holds the external id.")
    ] = "report",
    on_existing: Annotated[
        OnExisting, Parameter(help="What to do when the entity is linked in that system already.")
    ] = "update",
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would happen, and change nothing.", show_default="no")
    ] = False,
    report: Annotated[
        str | None,
        Parameter(
            help="A CSV file to write all refused rows and moved ids to, with line and reason.", show_default="none"
        ),
    ] = None,
    options: Options | None = None,
) -> int:
    """Import a file. Rows that are there already change nothing; rows that cannot land are reported."""
    form = _form(file, format_)
    job = Job(what, session(company, f"import_{secrets.token_hex(8)}"), on_conflict, on_existing, dry_run)
    tally = _Tally()
    stopped = None
    with ExitStack() as stack:
        stream = stack.enter_context(_opened(file))
        read = _read(stream, form, what)
        note = stack.enter_context(_noting(report, read.columns))
        conn = stack.enter_context(registry(options))
        advance = stack.enter_context(_progress(file, stream))
        try:
            load(conn, read.records, job, lambda landed: tally.add(landed, note, advance))
        except StoppedError as error:
            stopped = error
    if tally.refused > REFUSED_SHOWN_MAX:
        say(f"… and {tally.refused - REFUSED_SHOWN_MAX:,} more refused rows; --report FILE writes them all.")
    answer(tally.summary() + (" (dry run: nothing was changed)" if dry_run else ""))
    if stopped is not None:
        raise RefusalError(str(stopped))
    return 1 if tally.refused else 0


@dataclass(slots=True)
class _Tally:
    """The counts so far. Refused rows are shown as they come and are not kept."""

    landed: Landed = field(default_factory=Landed)
    refused: int = 0
    moved: int = 0

    def add(self, landed: Landed, note: Callable[[Landed], None], advance: Callable[[], None]) -> None:
        note(landed)
        self.landed.add(Landed(landed.created, landed.updated, landed.unchanged, landed.kept, landed.skipped))
        self.moved += len(landed.moved)
        for refused in landed.refused:
            self.refused += 1
            if self.refused <= REFUSED_SHOWN_MAX:
                say(f"line {refused.line}: {refused.reason}")
        advance()

    def summary(self) -> str:
        counts = self.landed
        return (
            f"{counts.created:,} created, {counts.updated:,} updated, {counts.unchanged:,} unchanged, "
            f"{counts.kept:,} kept, {self.moved:,} moved ({self.moved:,} ids taken from others), "
            f"{counts.skipped:,} skipped, "
            f"{self.refused:,} refused"
        )


def _form(name: str, given: Format | None) -> Format:
    try:
        return format_of(name, given)
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
    output: Annotated[
        str | None,
        Parameter(help="The file, which appears when it is complete.", show_default="standard output"),
    ] = None,
    options: Options | None = None,
) -> None:
    """Export all rows of a company; import takes them back unchanged."""
    form = _form(output, format_) if output and output != "-" else format_ or "csv"
    with registry(options) as conn, _written(output) as stream:
        unload(conn, what, form, session(company), stream)


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


def _read(stream: IO[bytes], form: Format, what: What) -> File:
    try:
        return records.read(stream, form, what)
    except FileRefusedError as error:
        raise RefusalError(str(error)) from None


@contextmanager
def _noting(name: str | None, columns: Sequence[str]) -> Generator[Callable[[Landed], None]]:
    """Write the report: the cells of each refused or moved row, and the reason."""
    if name is None:
        yield lambda _: None
        return
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *REPORT_COLUMNS], extrasaction="ignore")
        writer.writeheader()

        def note(landed: Landed) -> None:
            writer.writerows(map(_refused_row, landed.refused))
            writer.writerows(map(_moved_row, landed.moved))

        yield note


def _refused_row(refused: Refused) -> dict[str, object]:
    row: dict[str, object] = {**refused.given, "line": refused.line, "code": refused.code, "reason": refused.reason}
    if refused.holder is not None:
        row |= _holder_columns(refused.holder)
    return row


def _moved_row(moved: Moved) -> dict[str, object]:
    loser = moved.loser
    reason = f"The external id was taken from {loser.entity_type} {loser.entity_id}"
    said = {"line": moved.record.line, "code": "moved", "reason": reason}
    return {**texts(moved.record), **said, **_holder_columns(loser)}


def _holder_columns(holder: Holder | MappingKey) -> dict[str, object]:
    return {
        "holderEntityType": holder.entity_type,
        "holderEntityId": holder.entity_id,
        "holderMappingId": holder.mapping_id,
    }


@contextmanager
def _progress(name: str, stream: IO[bytes]) -> Generator[Callable[[], None]]:
    """A progress bar on a terminal, for the part of the file that has landed."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    total = os.fstat(stream.fileno()).st_size if stream.seekable() else None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
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
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        raise RefusalError(f"The file {name} cannot be written: {error.strerror}.") from None
    finally:
        beside.unlink(missing_ok=True)
