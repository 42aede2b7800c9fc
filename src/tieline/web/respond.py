"""What a handler gives back, and how it goes out."""

from collections.abc import Sequence
from dataclasses import dataclass

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status, headers (names in lower case) and the body's bytes."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
