"""The command line: serve, migrate, doctor and psql; the rest is in the cli_ modules beside this one."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Annotated

import psycopg
from cyclopts import App, Parameter
from cyclopts.config import Env
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from rich.console import Console

from tieline.cli import doctor as cli_doctor
from tieline.cli import first_key
from tieline.cli.registry import company_app, key_app, system_app
from tieline.cli.terminal import Options, RefusalError, answer, say, show
from tieline.cli.tokens import token_app
from tieline.cli.transfer import transfer_app
from tieline.postgres import account as database_user
from tieline.postgres import database
from tieline.postgres.account import EmbeddedError
from tieline.postgres.database import DatabaseUnusableError
from tieline.postgres.migrate import shipped_migrations
from tieline.settings import PREFIX, Settings, SettingsError

INTERRUPTED = 130

app = App(
    name="tieline",
    help="Which record of yours is which record in every other system.",
    version=version("tieline"),
    config=Env(PREFIX, command=False),
    error_console=Console(stderr=True),
    result_action="return_value",
)
for part in (company_app, key_app, system_app, token_app):
    app.command(part)
app.command(transfer_app, name="*")


def run() -> int:
    """Run the command that was asked for; the exit code."""
    # Empty is what a variable is in a file of them that one does not want to delete lines of.
    for name in [name for name, value in os.environ.items() if name.startswith(PREFIX) and not value]:
        del os.environ[name]
    try:
        code = app()
    except BrokenPipeError:
        # Whoever read the output has enough. What is left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except (RefusalError, SettingsError, EmbeddedError, DatabaseUnusableError) as error:
        say(" ".join(str(error).split()))
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error)
        say(f"The database refused: {' '.join(said.split())}")
    except OSError as error:
        say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
    else:
        return code if isinstance(code, int) else 0
    return 1


@app.command
def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    workers: Annotated[int | None, Parameter(help="Server processes.")] = None,
    options: Options | None = None,
) -> None:
    """Serve both faces until a signal ends it."""
    # Not for the other commands: a server's libraries take longer to load than they to run.
    from tieline import serve as server  # noqa: PLC0415

    settings = (options or Options()).load(host=host, port=port, workers=workers)
    with _alone(settings), database.opened(settings) as dsn:
        with database.connected(dsn) as conn:
            path = first_key.ensure(conn, settings.data_path, has_embedded=not settings.database_url)
        if path is not None:
            say(f"The registry is new: the key for the company {first_key.COMPANY!r} is in {path}")
        try:
            server.serve(settings, dsn)
        except server.CannotListenError as error:
            raise RefusalError(str(error)) from None


@contextmanager
def _alone(settings: Settings) -> Generator[None]:
    """One server on a data folder; with a database of its own it may have as many as it likes."""
    if settings.database_url:
        yield
        return
    database_user.make_folder(settings.data_path, database_user.database_user())
    with database_user.lock_file(settings.data_path / "serve.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusalError(f"Another tieline serves the data folder {settings.data_path} already.") from None
        yield


@app.command
def migrate(*, options: Options | None = None) -> None:
    """Bring the database up to this release; serve does so by itself."""
    with database.opened((options or Options()).load()):
        answer(f"The database is at {shipped_migrations()[-1]}.")


@app.command
def doctor(*, options: Options | None = None) -> int:
    """Say what is wrong with settings, database, indexes and clock, and what to do about it."""
    findings = cli_doctor.examine(options or Options())
    show(("what", "is", "to do"), [(one.what, one.state, one.remedy or "") for one in findings])
    return 1 if any(one.remedy is not None for one in findings) else 0


@app.command
def psql(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)], options: Options | None = None) -> int:
    """Open the database with psql; arguments after -- are psql's."""
    settings = (options or Options()).load()
    with database.opened(settings) as dsn:
        binaries = database_user.reachable_binaries(settings.data_path, None)
        # An interrupt is psql's to handle, which ends a statement with it. Not SIG_IGN: psql would inherit that.
        signal.signal(signal.SIGINT, _leave)
        # Everybody on the machine sees command lines; a process's environment is its user's own.
        parts = conninfo_to_dict(dsn)
        password = str(parts.pop("password", "") or "")
        secret = {"PGPASSWORD": password} if password else {}
        command = [binaries / "psql", make_conninfo("", **parts), *arguments]
        return subprocess.run(command, check=False, env={**os.environ, **secret}).returncode


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Go on."""
