"""A statement: its text and its values. The text of shipped statements stands one a file beside this module."""

from functools import cache
from importlib import resources
from typing import LiteralString, cast

import msgspec


class Sql(msgspec.Struct, frozen=True):
    """Text and the values bound to its placeholders $1 to $n; the company is $1."""

    text: LiteralString
    parameters: tuple[str | bytes | None, ...]


@cache
def shipped(name: str) -> LiteralString:
    """The text of sql/<name>.sql, such as `mappings/link`.

    It counts as literal: it came with the package and no request can reach it.
    """
    text = resources.files("tieline.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return cast(LiteralString, text)
