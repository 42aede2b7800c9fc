"""Parts that all commands use: the shared options, refusals, and printing."""

import getpass
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tieline import settings as settings_file
from tieline.postgres import database
from tieline.postgres.database import Connection
from tieline.postgres.session import Session
from tieline.settings import Settings

Company = Annotated[str, Parameter(help="The company's id.")]


class RefusalError(Exception):
    """A command refuses; the text is one sentence that says why."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Options:
    """The options of every command."""

    data_dir: Annotated[str | None, Parameter(help="The folder with the embedded database and the admin key.")] = None
    database_url: Annotated[str | None, Parameter(help="A PostgreSQL of your own instead of the embedded one.")] = None
    settings: Annotated[str | None, Parameter(help="A settings file instead of the data folder's settings.toml.")] = (
        None
    )

    def load(self, **more: str | int | None) -> Settings:
        """The settings: these options over the environment, the file and the defaults."""
        return settings_file.load({**asdict(self), **more}, os.environ)


@contextmanager
def registry(options: Options | None) -> Generator[Connection]:
    """A connection to the migrated database of these options."""
    with database.opened((options or Options()).load()) as dsn, database.connected(dsn) as conn:
        yield conn


def session(company_id: str, run: str = "") -> Session:
    """A session for a company, with the user at the terminal as the actor."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # In some containers the user has no name.
        user = str(os.getuid())
    return Session(company_id, f"cli:{user}", run)


def say(text: str) -> None:
    """Print a text that is not the result, on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 -- the command line speaks by printing


def answer(text: str) -> None:
    """Print a result, on standard output."""
    print(text, flush=True)  # noqa: T201 -- as above


def show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows: as a table on a terminal, as tab-separated lines for a program."""
    if not sys.stdout.isatty():
        for row in rows:
            answer("\t".join(" ".join(_plain(value).split()) for value in row))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(_plain(value)) for value in row))
    Console().print(table)


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(timespec="seconds")
        case _:
            return str(value)
