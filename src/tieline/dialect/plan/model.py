"""What a statement is to do, looked up and checked: only words of the catalogue, with slots where values go in.

A model is a value that two requests share when they differ in their values only: it is the key of compiled text.
"""

from dataclasses import dataclass
from typing import LiteralString

from tieline.dialect.catalogue import Column, Function, Key, Relationship, Resource
from tieline.dialect.request.media import Form
from tieline.dialect.request.syntax import Direction, LogicWord, Nulls, Quantifier

Slot = int  # where in the request's values a value stands; COMPANY is always the first
COMPANY_SLOT: Slot = 0


@dataclass(frozen=True, slots=True)
class Step:
    slot: Slot
    is_index: bool
    is_text: bool


@dataclass(frozen=True, slots=True)
class Expression:
    """A column, or what a path leads to in it."""

    column: Column
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is a word of compile_filter.OPERATORS or of one of its kinds."""

    expression: Expression
    operator: str
    is_negated: bool
    value: Slot
    quantifier: Quantifier | None = None
    language: Slot | None = None


@dataclass(frozen=True, slots=True)
class IsTest:
    expression: Expression
    word: str
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean column that never is null, asked for one of its values: an index's condition can match it."""

    column: Column
    is_true: bool


@dataclass(frozen=True, slots=True)
class EmbedTest:
    """Whether anything is embedded there."""

    embed: int
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Group:
    word: LogicWord
    is_negated: bool
    operands: tuple["Condition", ...]


Condition = Comparison | IsTest | Truth | EmbedTest | Group


@dataclass(frozen=True, slots=True)
class OutputKey:
    """A key of the answer: a word of the catalogue, or bound."""

    word: LiteralString | None
    slot: Slot


@dataclass(frozen=True, slots=True)
class Output:
    """A key and its value; no expression: a count of rows."""

    key: OutputKey
    expression: Expression | None
    cast: LiteralString | None = None
    aggregate: LiteralString | None = None
    aggregate_cast: LiteralString | None = None


@dataclass(frozen=True, slots=True)
class Ordering:
    """By an expression, or by a result of an embedded resource and perhaps a path into it."""

    direction: Direction | None
    nulls: Nulls | None
    expression: Expression | None = None
    embed: int = 0
    result: int = 0
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Embed:
    key: OutputKey
    relationship: Relationship
    node: "Node"
    is_inner: bool
    is_spread: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Node:
    """Rows of a resource: which results, of which rows, in which order."""

    resource: Resource
    outputs: tuple[Output, ...]
    embeds: tuple[Embed, ...] = ()
    where: tuple[Condition, ...] = ()
    order: tuple[Ordering, ...] = ()
    limit: Slot | None = None
    offset: Slot | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """How the results become a body; no form: there is none. `header` is the CSV header's slot."""

    form: Form | None
    header: Slot = 0
    is_single: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    node: Node
    rendering: Rendering
    is_counted: bool = False
    count_max: Slot | None = None
    is_lookup: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The rows of a request body: its slot, the columns that it gives and how it is to be read."""

    slot: Slot
    columns: tuple[Column, ...]
    is_object: bool
    has_defaults: bool = False


@dataclass(frozen=True, slots=True)
class Guards:
    """What must hold when a write is done, or it must not have happened."""

    is_single: bool = False
    affected_max: Slot | None = None
    is_put: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """What to do with rows whose key is taken."""

    key: Key
    is_merged: bool


@dataclass(frozen=True, slots=True)
class Insert:
    node: Node
    rendering: Rendering
    body: Body
    conflict: Conflict | None
    guards: Guards
    put: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    node: Node
    rendering: Rendering
    body: Body
    where: tuple[Condition, ...]
    guards: Guards


@dataclass(frozen=True, slots=True)
class Delete:
    node: Node
    rendering: Rendering
    where: tuple[Condition, ...]
    guards: Guards


@dataclass(frozen=True, slots=True)
class Call:
    function: Function
    node: Node
    arguments: Slot
    rendering: Rendering
    is_counted: bool = False


Write = Insert | Update | Delete
Model = Read | Write | Call
