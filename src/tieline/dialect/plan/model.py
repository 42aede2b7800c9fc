"""The model of a statement: words of the catalogue, and slots for the values.

Requests that differ in their values only have equal models. The model is the key under which compiled text is kept.
"""

from dataclasses import dataclass
from typing import LiteralString

from tieline.dialect.catalogue import Column, Function, Key, Relationship, Resource, Truth
from tieline.dialect.request.media import Form
from tieline.dialect.request.syntax import Direction, LogicWord, Nulls, Quantifier

# The place of a value among the values of its request. The company comes first.
Slot = int
COMPANY_SLOT: Slot = 0


@dataclass(frozen=True, slots=True)
class Step:
    slot: Slot
    is_index: bool
    is_text: bool


@dataclass(frozen=True, slots=True)
class Expression:
    """A column, or a path into its JSON."""

    column: Column
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range in which an index finds all texts with a literal beginning. `is_reversed`: the reversed texts."""

    low: Slot
    high: Slot | None
    is_reversed: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is `in`, a word of `sql.conditions.OPERATORS` or one of the full-text operators.

    `patterns`: for each pattern of a `like` the bounds that a matching text keeps.
    """

    expression: Expression
    operator: str
    is_negated: bool
    value: Slot
    quantifier: Quantifier | None = None
    language: Slot | None = None
    patterns: tuple[tuple[Bounds, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class IsTest:
    expression: Expression
    word: str
    is_negated: bool


@dataclass(frozen=True, slots=True)
class EmbedTest:
    """The test whether an embedded resource has rows; `embed` is its number."""

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
    """A key of the answer: a word of the catalogue, or else a bound value."""

    word: LiteralString | None
    slot: Slot


@dataclass(frozen=True, slots=True)
class Output:
    """A key of the answer and its value. Without an expression it counts rows."""

    key: OutputKey
    expression: Expression | None
    cast: LiteralString | None = None
    aggregate: LiteralString | None = None
    aggregate_cast: LiteralString | None = None


@dataclass(frozen=True, slots=True)
class Ordering:
    """A term of the order: an expression, or else a result of an embedded resource with a path into it."""

    direction: Direction | None
    nulls: Nulls | None
    expression: Expression | None = None
    embed: int = 0
    result: int = 0
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Embed:
    """An embedded resource; `bytes_max` is the slot of the most bytes that its rows may have."""

    key: OutputKey
    relationship: Relationship
    node: "Node"
    is_inner: bool
    is_spread: bool
    is_hidden: bool
    bytes_max: Slot


@dataclass(frozen=True, slots=True)
class Node:
    """Rows of a resource: the results of each row, the conditions on rows, their order."""

    resource: Resource
    outputs: tuple[Output, ...]
    embeds: tuple[Embed, ...] = ()
    where: tuple[Condition, ...] = ()
    order: tuple[Ordering, ...] = ()
    limit: Slot | None = None
    offset: Slot | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """The form of the answer. HEAD and return=minimal have no body. `header` is the slot of the CSV header.

    `bytes_max`: the slot of the most bytes that the body may have; None: it cannot have more.
    """

    form: Form
    has_body: bool
    header: Slot = 0
    is_single: bool = False
    bytes_max: Slot | None = None


@dataclass(frozen=True, slots=True)
class Read:
    node: Node
    rendering: Rendering
    is_counted: bool = False
    count_max: Slot | None = None
    is_lookup: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The rows of a request's body. `has_defaults`: a missing value becomes the column's default."""

    slot: Slot
    columns: tuple[Column, ...]
    is_object: bool
    has_defaults: bool = False


@dataclass(frozen=True, slots=True)
class Guards:
    """Conditions on the number of written rows. If one does not hold, the statement fails and writes nothing."""

    is_single: bool = False
    affected_max: Slot | None = None
    is_put: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """The treatment of rows whose key is taken: they are merged into the row that is there, or ignored."""

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


def result_keys(node: Node) -> list[OutputKey]:
    """The keys of a node's results: first its outputs, then each embedded resource, or all results of a spread one."""
    keys = [output.key for output in node.outputs]
    for embed in node.embeds:
        if embed.is_spread:
            keys += result_keys(embed.node)
        elif not embed.is_hidden:
            keys.append(embed.key)
    return keys
