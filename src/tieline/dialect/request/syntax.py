"""The syntax of a query string: its parts as they were written, before any name is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Quantifier = Literal["any", "all"]
LogicWord = Literal["and", "or"]
Direction = Literal["asc", "desc"]
Nulls = Literal["nullsfirst", "nullslast"]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JsonStep:
    """One -> or ->> with a key or an index."""

    key: str
    is_index: bool
    is_text: bool


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    steps: tuple[JsonStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Predicate:
    """The test of a filter. `operator` is a word of `request.filters`; only `in` has several values."""

    operator: str
    values: tuple[str, ...]
    is_negated: bool = False
    quantifier: Quantifier | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    field: Field
    test: Predicate


@dataclass(frozen=True, slots=True)
class Logic:
    word: LogicWord
    is_negated: bool
    operands: tuple["Filter | Logic", ...]


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """`relation` names an embedded resource whose column orders."""

    field: Field
    relation: str | None = None
    direction: Direction | None = None
    nulls: Nulls | None = None


@dataclass(frozen=True, slots=True)
class SelectField:
    """A column, a path into one, or an aggregate; `*` as the name with an aggregate is count()."""

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class SelectRelation:
    name: str
    items: tuple["SelectItem", ...]
    alias: str | None = None
    hint: str | None = None
    is_inner: bool = False
    is_spread: bool = False


SelectItem = SelectField | SelectRelation


@dataclass(frozen=True, slots=True)
class Span:
    """Rows from `first` to `last`, both included and counted from 0. Without `last`: to the end."""

    first: int = 0
    last: int | None = None

    @property
    def is_empty(self) -> bool:
        return self.last is not None and self.last < self.first

    @property
    def is_zero_limit(self) -> bool:
        """The span of limit=0, the only empty span that a request may ask for."""
        return self.last == -1

    @property
    def rows_max(self) -> int | None:
        return None if self.last is None else self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query string. Filters, logic, orders and spans have the path of the embedded resource that they concern.

    `filter_names` are the filters' names as they were sent. `arguments` are a function call's parameters that are not
    filters.
    """

    select: tuple[SelectItem, ...]
    filters: tuple[tuple[Path, Filter], ...]
    logic: tuple[tuple[Path, Logic], ...]
    orders: tuple[tuple[Path, tuple[OrderTerm, ...]], ...]
    spans: Mapping[Path, Span]
    columns: tuple[str, ...] | None
    on_conflict: tuple[str, ...] | None
    filter_names: frozenset[str]
    arguments: tuple[tuple[str, str], ...] = ()
