"""`tieline import` and `tieline export`: whole files in and out."""

import csv
import os
import secrets
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tieline.cli.terminal import Options, RefusalError, answer, registry, say, session
from tieline.transfer import records
from tieline.transfer.columns import Refused, What
from tieline.transfer.formats import FileRefusedError, Format, format_of
from tieline.transfer.load import Job, Landed, StoppedError, load
from tieline.transfer.plan import OnConflict
from tieline.transfer.unload import unload

# The terminal shows so many refused rows and counts the rest; --report writes them all.
REFUSED_SHOWN_MAX = 1_000


def import_file(
    file: Annotated[str, Parameter(name="FILE", allow_leading_hyphen=True, help="The file; - is standard input.")],
    *,
    company: str,
    what: What,
    format_: Annotated[
        Format | None, Parameter(name="--format", help="The format; left out, the file's ending tells it.")
    ] = None,
    on_conflict: Annotated[
        OnConflict, Parameter(help="What to do when another entity holds the external id.")
    ] = "report",
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    report: Annotated[
        str | None, Parameter(help="A CSV file to write all refused rows to, with line and reason.")
    ] = None,
    options: Options | None = None,
) -> int:
    """Import a file. Rows that are there already change nothing; rows that cannot land are reported."""
    form = _form(file, format_)
    job = Job(what, session(company, f"import_{secrets.token_hex(8)}"), on_conflict, is_dry_run=dry_run)
    tally = _Tally()
    stopped = None
    with (
        _opened(file) as stream,
        _noting(report) as note,
        registry(options) as conn,
        _progress(file, stream) as advance,
    ):
        try:
            load(conn, records.read(stream, form, what, company), job, lambda landed: tally.add(landed, note, advance))
        except FileRefusedError as error:
            raise RefusalError(str(error)) from None
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

    def add(self, landed: Landed, note: Callable[[Refused], None], advance: Callable[[], None]) -> None:
        self.landed.add(landed)
        for refused in landed.refused:
            note(refused)
            self.refused += 1
            if self.refused <= REFUSED_SHOWN_MAX:
                say(f"line {refused.line}: {refused.reason}")
        advance()

    def summary(self) -> str:
        counts = self.landed
        return (
            f"{counts.created:,} created, {counts.updated:,} updated, {counts.unchanged:,} unchanged, "
            f"{counts.skipped:,} skipped, {self.refused:,} refused"
        )


def _form(name: str, given: Format | None) -> Format:
    try:
        return format_of(name, given)
    except FileRefusedError as error:
        raise RefusalError(str(error)) from None


def export_file(
    *,
    company: str,
    what: What,
    format_: Annotated[
        Format | None,
        Parameter(name="--format", help="The format; left out, the output's ending tells it, or it is CSV."),
    ] = None,
    output: Annotated[
        str | None, Parameter(help="The file, which appears when it is complete; left out, standard output.")
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


@contextmanager
def _noting(name: str | None) -> Generator[Callable[[Refused], None]]:
    if name is None:
        yield lambda _: None
        return
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "reason"))
        yield lambda refused: writer.writerow((refused.line, refused.reason))


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
