"""The shipped SQL: one statement a file, read once."""

from functools import cache
from importlib import resources
from typing import LiteralString, cast


@cache
def shipped(name: str) -> LiteralString:
    """The text of store/sql/<name>.sql, such as `mappings/link`.

    It counts as literal: it came with the package and no request can reach it.
    """
    text = resources.files("tieline.store").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    return cast(LiteralString, text)
