"""`tieline serve`, `tieline migrate` and `tieline psql`: the server and its database."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

from cyclopts import Parameter

from tieline.cli import first_key
from tieline.cli.terminal import Options, RefusalError, answer, say, setting
from tieline.postgres import account, address, database, pooler, rights
from tieline.postgres.migrate import shipped_migrations
from tieline.settings import Settings

SERVED = "Another tieline serves the data folder {} already."
OPEN = "Row-level security, the second wall between companies, does not hold because of"
PsqlArgument = Annotated[str, Parameter(name="ARGUMENTS", allow_leading_hyphen=True, help="psql's own arguments.")]


def serve(
    *,
    host: Annotated[str | None, setting("host", "The address to listen on.")] = None,
    port: Annotated[int | None, setting("port", "The port to listen on, 1 to 65535.")] = None,
    workers: Annotated[int | None, setting("workers", "The number of server processes.")] = None,
    options: Options | None = None,
) -> None:
    """Serve both faces until SIGTERM or an interrupt."""
    # Imported here, since loading a server's libraries takes longer than most other commands run.
    from tieline import serve as server  # noqa: PLC0415

    settings = (options or Options()).load(host=host, port=port, workers=workers)
    with alone(settings, SERVED.format(settings.data_path)), database.opened(settings) as dsn:
        with database.connected(dsn) as conn:
            if pooler.is_pooled(conn):
                say("A pooler such as PgBouncer is in between: each transaction brings its settings to the database.")
            if walls := rights.open_walls(conn):
                raise RefusalError(f"{OPEN} {', '.join(walls)}. Mend it as tieline doctor says.")
            path = first_key.ensure(conn, settings)
        if path is not None:
            say(f"The registry is new: the key for the company {first_key.COMPANY!r} is in {path}")
        try:
            server.serve(settings, dsn)
        except (server.CannotListenError, server.CannotStartError) as error:
            raise RefusalError(str(error)) from None


@contextmanager
def alone(settings: Settings, refusal: str) -> Generator[None]:
    """Let one server run on a data folder. With --database-url any number may run.

    Raises:
        RefusalError: one runs already; its text is `refusal`.
    """
    if settings.database_url:
        yield
        return
    account.make_folder(settings.data_path, account.user_of(settings.data_path, account.chosen(settings)))
    with account.lock_file(settings.data_path / "serve.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusalError(refusal) from None
        yield


def migrate(*, options: Options | None = None) -> None:
    """Bring the database to this release; serve does so by itself."""
    with database.opened((options or Options()).load()):
        answer(f"The database is at {[*shipped_migrations()][-1]}.")


def psql(*arguments: PsqlArgument, options: Options | None = None) -> int:
    """Open the database with psql; arguments after -- are psql's."""
    settings = (options or Options()).load()
    with database.opened(settings) as dsn:
        binaries = account.reachable_binaries(settings.data_path, None)
        # psql handles an interrupt: it cancels a statement. Not with SIG_IGN, which psql would inherit.
        signal.signal(signal.SIGINT, _leave)
        # All users of the machine can read a command line, but not another user's environment.
        place, password = address.without_password(dsn)
        secret = {"PGPASSWORD": password} if password else {}
        command = [binaries / "psql", place, *arguments]
        return subprocess.run(command, check=False, env={**os.environ, **secret}).returncode


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Ignore the signal."""
