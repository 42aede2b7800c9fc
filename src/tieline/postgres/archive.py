"""An archive of pg_dump with the schema of a registry: written, and read table by table."""

import re
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tieline.postgres import programs
from tieline.postgres.programs import ProgramError, Programs

SCHEMA = "tieline"
# A table that somebody holds exclusively, as a migration does, makes pg_dump give up after this time.
LOCK_WAIT = "60s"
# A line of `pg_restore --list`: id; two numbers; the kind; schema; name; owner.
ENTRY = re.compile(rf"(\d+); \d+ \d+ (TABLE DATA|SEQUENCE SET) {SCHEMA} (\S+) ")
_NAME = r'(?:"(?:[^"]|"")*"|[\w$]+)'
COPY = re.compile(rf"COPY {SCHEMA}\.({_NAME}) \((.*)\) FROM stdin;")
SET_SEQUENCE = re.compile(rf"SELECT pg_catalog\.setval\('{SCHEMA}\.({_NAME})', (\d+), (true|false)\);")
NAMES = re.compile(rf"({_NAME})(?:, |$)")
END_OF_ROWS = b"\\.\n"
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Entry:
    """A part of an archive: the rows of a table, or the state of a sequence."""

    number: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table, in the text format of COPY; read `chunks` to its end before the next part."""

    table: str
    columns: list[str]
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Position:
    """The state of a sequence."""

    sequence: str
    value: int
    is_called: bool


class ArchiveError(Exception):
    """A file is no archive of a registry, or cannot be read to its end; the text says why."""


def write(dsn: str, using: Programs, file: IO[bytes], *, sees_all: bool) -> None:
    """Dump the registry into a file. `sees_all`: row-level security does not bind the role of the connection string.

    Raises:
        ProgramError: pg_dump failed.
    """
    place, environment = programs.arguments(dsn)
    if not sees_all:
        environment["PGOPTIONS"] = f"{environment.get('PGOPTIONS', '')} -c tieline.backup=on"
    options = [
        "--format=custom",
        f"--schema={SCHEMA}",
        "--encoding=UTF8",
        # Otherwise pg_dump refuses tables whose row-level security is forced.
        "--enable-row-security",
        f"--lock-wait-timeout={LOCK_WAIT}",
        "--no-password",
    ]
    command = [using.folder / "pg_dump", *options, "--dbname", place]
    programs.run(command, stdout=file.fileno(), environment=environment)


def entries(using: Programs, path: Path) -> list[Entry]:
    """The parts of an archive with rows and sequences.

    Raises:
        ArchiveError: the file is no archive, or one without a registry.
    """
    with tempfile.TemporaryFile() as out:
        try:
            programs.run([using.folder / "pg_restore", "--list", path], stdout=out.fileno())
        except ProgramError as error:
            raise ArchiveError(f"The file {path} cannot be read as a backup: {error}") from error
        out.seek(0)
        found = ENTRY.findall(out.read().decode(errors="replace"))
    if not any(name == "migration" for _, _, name in found):
        raise ArchiveError(f"The file {path} is an archive of PostgreSQL, but there is no registry in it.")
    return [Entry(*one) for one in found]


@contextmanager
def parts(using: Programs, path: Path, wanted: Iterable[Entry]) -> Generator[Iterator[Rows | Position]]:
    """The wanted parts in their order. The end of the iterator means that all of them were read whole.

    Raises:
        ArchiveError: the file breaks off, or is damaged.
    """
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as order, tempfile.TemporaryFile() as errors:
        order.writelines(f"{entry.number};\n" for entry in wanted)
        order.flush()
        command = [using.folder / "pg_restore", f"--use-list={order.name}", "--file=-", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True) as process:
            assert process.stdout is not None, "a pipe was asked for"

            def whole() -> Iterator[Rows | Position]:
                assert process.stdout is not None, "as above"
                yield from _parts(process.stdout)
                code = process.wait()
                if code != 0:
                    errors.seek(0)
                    said = programs.failure("pg_restore", code, errors.read().decode(errors="replace"))
                    raise ArchiveError(f"The file {path} cannot be read to its end: {said}")

            try:
                yield whole()
            finally:
                programs.end(process)


def _parts(script: IO[bytes]) -> Iterator[Rows | Position]:
    """The parts of pg_restore's script. Its other statements set up a session and are not needed."""
    for line in script:
        text = line.decode()
        copy, position = COPY.match(text), SET_SEQUENCE.match(text)
        if copy is not None:
            yield Rows(_unquoted(copy[1]), [_unquoted(name) for name in NAMES.findall(copy[2])], _chunks(script))
        elif position is not None:
            yield Position(_unquoted(position[1]), int(position[2]), position[3] == "true")


def _chunks(script: IO[bytes]) -> Iterator[bytes]:
    """The rows up to their end, in pieces.

    Raises:
        ArchiveError: there is no end.
    """
    waiting: list[bytes] = []
    size = 0
    for line in script:
        if line == END_OF_ROWS:
            yield b"".join(waiting)
            return
        waiting.append(line)
        size += len(line)
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    raise ArchiveError("The rows of a table break off.")


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
