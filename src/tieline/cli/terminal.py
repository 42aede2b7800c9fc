"""Parts that all commands use: the shared options, refusals, and printing."""

import getpass
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, cast

import msgspec
from cyclopts import Parameter
from msgspec.structs import astuple
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tieline import settings as settings_file
from tieline.postgres import address, database
from tieline.postgres.address import AddressError
from tieline.postgres.database import Connection
from tieline.postgres.session import Session
from tieline.settings import Given, Settings, SettingsError

Company = Annotated[str, Parameter(help="The company's id.")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for programs.", show_default="no")]


def setting(name: str, text: str, default: str | None = None) -> Parameter:
    """An option that is a setting too: the help names its variable, and its default from settings.toml."""
    shown = settings_file.shipped_default(name) if default is None else default
    return Parameter(help=f"{text} [variable: {settings_file.variable(name)}]", show_default=shown)


class RefusalError(Exception):
    """A command refuses; the text is one sentence that says why."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Options:
    """The options of every command."""

    data_dir: Annotated[
        str | None,
        setting(
            "data_dir",
            "The folder with the embedded database and the admin key.",
            "/var/lib/tieline for root, else the platform's folder for a user's data",
        ),
    ] = None
    database_url: Annotated[
        str | None,
        setting("database_url", "A PostgreSQL of your own instead of the embedded one.", "the embedded PostgreSQL"),
    ] = None
    settings: Annotated[
        str | None, setting("settings", "A settings file.", "settings.toml in the data folder, if it is there")
    ] = None

    def load(self, **more: str | int | None) -> Settings:
        """The settings: these options over the environment, the file and the defaults."""
        given = self.gathered(**more)
        settings = settings_file.convert(given)
        if settings.database_url:
            try:
                address.read(settings.database_url)
            except AddressError as error:
                source = given["database_url"].source
                raise SettingsError(
                    f"{source}: the connection string of the database cannot be read. {error}"
                ) from None
        return settings

    def gathered(self, **more: str | int | None) -> dict[str, Given]:
        """Every value that is given, with its source."""
        return settings_file.gathered({**asdict(self), **more}, os.environ)


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


def answer_json(value: object) -> None:
    """Print a result as JSON."""
    answer(msgspec.json.format(msgspec.json.encode(value)).decode())


def show(columns: Sequence[str], rows: Sequence[msgspec.Struct], *, as_json: bool = False) -> None:
    """Print rows: as a table on a terminal, as tab-separated lines or JSON for a program.

    The columns are the headings of the rows' first fields. Fields without a heading stand in the JSON only.
    """
    if as_json:
        answer_json(rows)
        return
    texts = [[_plain(value) for value in astuple(row)[: len(columns)]] for row in rows]
    if not sys.stdout.isatty():
        for row in texts:
            answer("\t".join(" ".join(text.split()) for text in row))
        return
    table = Table(*columns)
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table)


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(timespec="seconds")
        case list():
            return " ".join(map(str, cast("list[object]", value)))
        case _:
            return str(value)
