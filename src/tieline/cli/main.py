"""The command line: its commands, and the messages and exit codes of their errors."""

import os
import sys
from importlib.metadata import version

from cyclopts import App
from cyclopts.config import Env
from rich.console import Console

from tieline.cli.companies import company_app
from tieline.cli.doctor import doctor
from tieline.cli.keys import key_app
from tieline.cli.serving import migrate, psql, serve
from tieline.cli.systems import system_app
from tieline.cli.terminal import RefusalError, say
from tieline.cli.tokens import token_app
from tieline.cli.transfer import export_file, import_file
from tieline.postgres.account import EmbeddedError
from tieline.postgres.database import DatabaseUnusableError
from tieline.postgres.pipeline import DatabaseError
from tieline.problems import Problem
from tieline.settings import PREFIX, SettingsError
from tieline.store.companies import UnknownCompanyError

INTERRUPTED = 130

app = App(
    name="tieline",
    help="Which record of yours is which record in every other system.",
    version=version("tieline"),
    config=Env(PREFIX, command=False),
    error_console=Console(stderr=True),
    result_action="return_value",
)
for command in (serve, migrate, doctor, psql, company_app, key_app, system_app, token_app):
    app.command(command)
app.command(import_file, name="import")
app.command(export_file, name="export")


def run() -> int:
    """Run the command of the command line; returns the exit code."""
    # In an environment file, an empty value means that the variable is not set.
    for name in [name for name, value in os.environ.items() if name.startswith(PREFIX) and not value]:
        del os.environ[name]
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
        say(problem.message if problem.hint is None else f"{problem.message} {problem.hint}")
    except DatabaseError as error:
        say(f"The database refused: {' '.join(error.message.split())}")
    except OSError as error:
        say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
    else:
        return code if isinstance(code, int) else 0
    return 1
