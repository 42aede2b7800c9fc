"""JSON that does not fit its type: msgspec's one-sentence message → its parts, in JSON's words."""

import re
from typing import Literal

import msgspec

Kind = Literal["missing", "unknown", "type", "other"]

_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_TYPE = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_QUOTED_TYPE = re.compile(r"`([^`]*)`")
_WORDS = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "a boolean", "array": "an array",
    "object": "an object",
}  # fmt: skip


class Misfit(msgspec.Struct, frozen=True):
    """One value that does not fit.

    `path` is its place, such as `rows[1].externalId`, and empty for the whole text. `name` is the field that is missing
    or unknown. `expected` and `got` are set for kind `type` only. `message` says all but the place.
    """

    kind: Kind
    path: str
    message: str
    name: str = ""
    expected: str = ""
    got: str = ""

    @property
    def may_lose_digits(self) -> bool:
        """A number stands for a string: a client that reads ids as numbers rounds the long ones."""
        return self.got == "a number" and self.expected.startswith("a string")


def read(text: str) -> Misfit:
    """The parts of a message of msgspec's ValidationError.

    >>> read("Expected `str | null`, got `int` - at `$.rows[1].externalId`").message
    'expected a string or null, got a number'
    >>> found = read("Object contains unknown field `colour` - at `$[0]`")
    >>> found.kind, found.path, found.name
    ('unknown', '[0]', 'colour')
    >>> read("Expected `str` of length >= 1 - at `$.title`").message
    'expected a string of length >= 1'
    """
    said, _, place = text.partition(" - at `$")
    path = place.removesuffix("`").removeprefix(".")
    lowered = f"{said[:1].lower()}{said[1:]}"
    missing, unknown = _MISSING.fullmatch(said), _UNKNOWN.fullmatch(said)
    if missing:
        return Misfit("missing", path, lowered, missing[1])
    if unknown:
        return Misfit("unknown", path, lowered, unknown[1])
    types = _TYPE.fullmatch(said)
    if types:
        # "Expected a whole number" tells the sender something. "Got a whole number" would not.
        expected, got = _in_words(types[1]), _in_words(types[2].replace("int", "float"))
        return Misfit("type", path, f"expected {expected}, got {got}", expected=expected, got=got)
    return Misfit("other", path, _QUOTED_TYPE.sub(lambda quoted: _in_words(quoted[1]), lowered))


def joined(outer: str, inner: str) -> str:
    """The path of a place within another place.

    >>> joined("rows[1]", "externalId"), joined("externalIds", "[1]"), joined("", "externalId")
    ('rows[1].externalId', 'externalIds[1]', 'externalId')
    """
    return f"{outer}{'.' if outer and inner and not inner.startswith('[') else ''}{inner}"


def _in_words(types: str) -> str:
    """A type of msgspec's in JSON's words.

    >>> _in_words("int | float | null"), _in_words("int | str | null")
    ('a number or null', 'a whole number, a string or null')
    """
    names = types.split(" | ")
    words = [_WORDS.get(name, name) for name in names if not (name == "int" and "float" in names)]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
