"""A statement: its text and its values. The text of shipped statements stands one a file beside this module."""

import re
from functools import cache
from importlib import resources
from typing import LiteralString, cast

import msgspec

# Comments, quoted text and the bodies of functions may contain a semicolon that ends nothing.
TOKEN = re.compile(r"""--[^\n]*|'(?:[^']|'')*'|"[^"]*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|(?P<end>;)""", re.DOTALL)


# So many items of a list are encoded at once.
ENCODED_AT_ONCE = 500


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


def json_text(value: object) -> str:
    """The value as JSON, for a parameter. A long list is encoded in parts: the encoder keeps other threads waiting.

    >>> import json
    >>> json_text([1, {"a": 2}]), json_text(list(range(2_000))) == json.dumps(list(range(2_000)), separators=(",", ":"))
    ('[1,{"a":2}]', True)
    """
    if not isinstance(value, list) or len(value) <= ENCODED_AT_ONCE:  # pyright: ignore[reportUnknownArgumentType]
        return msgspec.json.encode(value).decode()
    rows = cast("list[object]", value)
    parts = [msgspec.json.encode(rows[at : at + ENCODED_AT_ONCE])[1:-1] for at in range(0, len(rows), ENCODED_AT_ONCE)]
    return (b"[%b]" % b",".join(parts)).decode()


def shipped_names(folder: str) -> list[str]:
    """The names of the files of a folder of sql/, such as `migrations`, in order."""
    entries = resources.files("tieline.sql").joinpath(folder).iterdir()
    return sorted(entry.name.removesuffix(".sql") for entry in entries if entry.name.endswith(".sql"))


def split(text: LiteralString) -> list[LiteralString]:
    """The single statements of a file, each of which ends with a semicolon.

    >>> split("select ';'; do $$ begin null; end $$;")
    ["select ';'", 'do $$ begin null; end $$']
    """
    ends = [token.start() for token in TOKEN.finditer(text) if token["end"]]
    starts = [0, *(end + 1 for end in ends)]
    assert not text[starts[-1] :].strip(), "what has no semicolon would not be sent"
    return cast("list[LiteralString]", [text[start:end].strip() for start, end in zip(starts, ends, strict=False)])
