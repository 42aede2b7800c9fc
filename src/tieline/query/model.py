"""What a request asks for, as values."""

from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement: text of our own words with placeholders $1 to $n, and the values for them."""

    text: LiteralString
    parameters: tuple[str | bytes | None, ...] = ()
