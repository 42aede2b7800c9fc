"""The Prefer header ↔ preferences, and the echo of those that were applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from tieline.dialect import problems
from tieline.wire.integers import BIGINT_MAX, DIGITS_MAX

Resolution = Literal["merge-duplicates", "ignore-duplicates"]
Return = Literal["representation", "headers-only", "minimal"]
Count = Literal["exact", "planned", "estimated"]
Transaction = Literal["commit", "rollback"]
Missing = Literal["default", "null"]
Handling = Literal["strict", "lenient"]
Echoed = Literal["resolution", "missing", "return", "count", "tx", "handling", "timezone", "max-affected"]

# The preferences that the answer to each method echoes, in the order of Echoed.
ECHOED: Mapping[str, frozenset[Echoed]] = {
    "GET": frozenset({"count", "tx", "handling", "timezone"}),
    "HEAD": frozenset({"count", "tx", "handling", "timezone"}),
    "POST": frozenset({"resolution", "missing", "return", "count", "tx", "handling", "timezone"}),
    "PATCH": frozenset({"missing", "return", "count", "tx", "handling", "timezone", "max-affected"}),
    "PUT": frozenset({"return", "count", "tx", "handling", "timezone"}),
    "DELETE": frozenset({"return", "count", "tx", "handling", "timezone", "max-affected"}),
}

T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class Preferences:
    """The client's preferences; None where it has none. `unknown` are those that PostgREST does not have."""

    resolution: Resolution | None = None
    returned: Return | None = None
    count: Count | None = None
    transaction: Transaction | None = None
    missing: Missing | None = None
    handling: Handling | None = None
    time_zone: str | None = None
    max_affected: int | None = None
    unknown: tuple[str, ...] = ()

    @property
    def is_strict(self) -> bool:
        return self.handling == "strict"


NONE = Preferences()


def _first(wishes: Sequence[str], name: str, values: tuple[T, ...]) -> T | None:
    known = {f"{name}={value}": value for value in values}
    return next((known[wish] for wish in wishes if wish in known), None)


def _affected(wishes: Sequence[str]) -> int | None:
    for wish in wishes:
        if wish.startswith("max-affected="):
            text = wish.removeprefix("max-affected=").strip()
            digits = text.removeprefix("-")
            if digits.isascii() and digits.isdigit():
                return max(min(int(text[:DIGITS_MAX]), BIGINT_MAX), -BIGINT_MAX)
            return None
    return None


_KNOWN = frozenset(
    f"{name}={value}"
    for name, values in (
        ("resolution", get_args(Resolution)),
        ("return", get_args(Return)),
        ("count", get_args(Count)),
        ("tx", get_args(Transaction)),
        ("missing", get_args(Missing)),
        ("handling", get_args(Handling)),
    )
    for value in values
)


def parse(headers: Sequence[str]) -> Preferences:
    """The preferences of all Prefer headers. If a preference is given twice, the first known value counts.

    >>> wishes = parse(["return=minimal, count=exact", "max-affected=3, foo"])
    >>> wishes.returned, wishes.count, wishes.max_affected, wishes.unknown
    ('minimal', 'exact', 3, ('foo',))
    >>> parse(["handling=bad, handling=strict"]).handling
    'strict'
    """
    if not headers:
        return NONE
    wishes = [wish.strip(" \t") for header in headers for wish in header.split(",")]
    zone = next((wish for wish in wishes if wish.startswith("timezone=")), None)
    return Preferences(
        _first(wishes, "resolution", get_args(Resolution)),
        _first(wishes, "return", get_args(Return)),
        _first(wishes, "count", get_args(Count)),
        _first(wishes, "tx", get_args(Transaction)),
        _first(wishes, "missing", get_args(Missing)),
        _first(wishes, "handling", get_args(Handling)),
        None if zone is None else zone.removeprefix("timezone="),
        _affected(wishes),
        tuple(w for w in wishes if w and w not in _KNOWN and not w.startswith(("timezone=", "max-affected="))),
    )


def check(wishes: Preferences) -> None:
    """With handling=strict all preferences have to be known.

    >>> check(parse(["handling=strict, foo"]))
    Traceback (most recent call last):
    tieline.problems.Problem: Invalid preferences given with handling=strict
    """
    if wishes.is_strict and wishes.unknown:
        raise problems.preferences_unknown(wishes.unknown)


def applied(wishes: Preferences, method: str) -> str | None:
    """The Preference-Applied header.

    >>> applied(parse(["handling=strict, max-affected=2, count=exact"]), "PATCH")
    'count=exact, handling=strict, max-affected=2'
    """
    if wishes is NONE:
        return None
    values: tuple[tuple[Echoed, str | int | None], ...] = (
        ("resolution", wishes.resolution),
        ("missing", wishes.missing),
        ("return", wishes.returned),
        ("count", wishes.count),
        ("tx", wishes.transaction),
        ("handling", wishes.handling),
        ("timezone", wishes.time_zone),
        ("max-affected", wishes.max_affected if wishes.is_strict else None),
    )
    echoed = ECHOED[method]
    return ", ".join(f"{name}={value}" for name, value in values if value is not None and name in echoed) or None
