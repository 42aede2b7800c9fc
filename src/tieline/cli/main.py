"""The command line: its commands, and the messages and exit codes of their errors."""

import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.completion.detect import ShellDetectionError
from rich.console import Console

from tieline.cli.backups import backup, restore
from tieline.cli.companies import company_app
from tieline.cli.doctor import doctor
from tieline.cli.keys import key_app
from tieline.cli.serving import migrate, psql, serve
from tieline.cli.shown_settings import settings
from tieline.cli.systems import system_app
from tieline.cli.terminal import RefusalError, answer, say
from tieline.cli.tokens import token_app
from tieline.cli.transfer import export_file, import_file
from tieline.cli.usage import explain
from tieline.postgres.account import EmbeddedError
from tieline.postgres.database import DatabaseUnusableError
from tieline.postgres.pipeline import DatabaseError
from tieline.postgres.run import DISK_FULL
from tieline.problems import Problem
from tieline.settings import SettingsError
from tieline.store.companies import UnknownCompanyError

INTERRUPTED = 130
TERMINATED = 143
# The classes of PostgreSQL's codes for a connection that failed and a server that ends.
LOST = ("08", "57P")

app = App(
    name="tieline",
    help="Which record of yours is which record in every other system.",
    version=version("tieline"),
    error_console=Console(stderr=True, soft_wrap=True),
    error_formatter=explain,
    result_action="return_value",
)
for command in (serve, migrate, doctor, settings, psql, company_app, key_app, system_app, token_app):
    app.command(command)
app.command(import_file, name="import")
app.command(export_file, name="export")
app.command(backup)
app.command(restore)


@app.command(name="--install-completion")
def install_completion(
    *,
    shell: Annotated[
        Literal["bash", "zsh", "fish"] | None, Parameter(help="The shell.", show_default="the one that runs this")
    ] = None,
    output: Annotated[
        Path | None, Parameter(help="The file for the script.", show_default="where that shell looks for it")
    ] = None,
) -> None:
    """Install the completion of commands and options for bash, zsh or fish."""
    try:
        path = app.install_completion(shell=shell, output=output, add_to_startup=output is None)
    except ShellDetectionError:
        raise RefusalError("Which shell this is cannot be told. Name it with: --shell bash, zsh or fish") from None
    answer(f"The completion is in {path}. New shells use it.")


def _refused(error: DatabaseError) -> str:
    # The first line tells what happened; those behind it guess why.
    said = error.message.strip().splitlines()[0].rstrip(".") if error.message.strip() else error.sqlstate
    if error.sqlstate == DISK_FULL:
        return f"The disk of the database is full: {said}."
    if error.sqlstate.startswith(LOST):
        return f"The connection to the database was lost, and what was under way may not be done: {said}."
    return f"The database refused: {said}."


def _terminate(_number: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def run() -> int:
    """Run the command of the command line; returns the exit code."""
    # By default the signal ends the process at once, which leaves unfinished files and programs behind.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app()
    except BrokenPipeError:
        # The reader of the output has ended. The rest of the buffer must not be written again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except (RefusalError, SettingsError, EmbeddedError, DatabaseUnusableError) as error:
        say(" ".join(str(error).split()))
    except UnknownCompanyError as error:
        say(f"There is no company {error.company_id!r}. Add it with: tieline company add {error.company_id}")
    except Problem as problem:
        said = [part.rstrip(".") for part in (problem.message, problem.details, problem.hint) if part]
        say(". ".join(said) + ("" if said[-1].endswith("?") else "."))
    except DatabaseError as error:
        say(_refused(error))
    except UnicodeError:
        say("A text that was given is not UTF-8, or this terminal cannot show a text of the answer.")
    except OSError as error:
        say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
    else:
        return code if isinstance(code, int) else 0
    return 1
