"""What a query string says, as it was written: names are not looked up yet, nothing is bound yet."""

from dataclasses import dataclass
from typing import Literal

Quantifier = Literal["any", "all"]
LogicWord = Literal["and", "or"]
Direction = Literal["asc", "desc"]
Nulls = Literal["nullsfirst", "nullslast"]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JsonStep:
    """One -> or ->> with its key, or its index."""

    key: str
    is_index: bool
    is_text: bool


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    steps: tuple[JsonStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Predicate:
    """What a filter asks of its field. `operator` is a word of parse_filter.OPERATORS; `in` has several values."""

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
class Query:
    """A whole query string. Filters, logic and orders carry the path of the embedded resource that they are for.

    `limits` and `offsets` hold the numbers as far as they are numbers; `filter_names` the filters' raw names.
    `arguments` are a function call's parameters that are no filters.
    """

    select: tuple[SelectItem, ...]
    filters: tuple[tuple[Path, Filter], ...]
    logic: tuple[tuple[Path, Logic], ...]
    orders: tuple[tuple[Path, tuple[OrderTerm, ...]], ...]
    limits: tuple[tuple[str, int | None], ...]
    offsets: tuple[tuple[str, int | None], ...]
    columns: tuple[str, ...] | None
    on_conflict: tuple[str, ...] | None
    filter_names: frozenset[str]
    arguments: tuple[tuple[str, str], ...] = ()
