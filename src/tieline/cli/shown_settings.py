"""`tieline settings`: every setting, its value and its source."""

import os

import msgspec

from tieline import settings as settings_file
from tieline.cli.terminal import AsJson, Options, say, show
from tieline.postgres import address
from tieline.settings import Settings


class Shown(msgspec.Struct, frozen=True):
    """A setting as it is shown: secrets are masked."""

    setting: str
    value: str | int
    source: str


def settings(*, json: AsJson = False, options: Options | None = None) -> None:
    """Show every setting with its value and the option, variable or line of a file that gave it."""
    chosen = options or Options()
    loaded, given = chosen.load(), chosen.gathered()
    show(
        ("setting", "value", "from"),
        [Shown(name, _value(loaded, name), given[name].source) for name in Settings.__struct_fields__],
        as_json=json,
    )
    for sentence in settings_file.strangers(os.environ):
        say(sentence)


def _value(loaded: Settings, name: str) -> str | int:
    match name:
        case "database_url":
            return address.masked(loaded.database_url) if loaded.database_url else ""
        case "data_dir":
            return str(loaded.data_path)
        case _:
            return getattr(loaded, name)
