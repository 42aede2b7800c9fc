"""Every error that a client can see, and how each face renders it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

Scope = Literal["body", "query", "path", "header", "global"]


class FieldError(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request, and where."""

    scope: Scope
    path: str | None
    code: str
    message: str


@dataclass(eq=False)
class Problem(Exception):
    """What a client did, or met, that ends its request.

    `slug` names it on the element face, `code` on the mapping face; `status` holds for both. `headers` go out with
    the answer, `extra` are further members of the element face's body.
    """

    slug: str
    status: int
    code: str
    message: str
    details: str | None = None
    hint: str | None = None
    errors: Sequence[FieldError] = ()
    extra: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    headers: Sequence[tuple[str, str]] = ()

    def __str__(self) -> str:
        return self.message
