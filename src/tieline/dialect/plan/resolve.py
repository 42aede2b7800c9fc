"""Syntax → model: each name is looked up in the catalogue, each value gets a slot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tieline.dialect import problems
from tieline.dialect.catalogue import (
    AGGREGATES,
    CASTS,
    WORDS,
    Column,
    Resource,
    Truth,
)
from tieline.dialect.plan.branches import Branch
from tieline.dialect.plan.model import (
    Bounds,
    Comparison,
    Condition,
    Embed,
    EmbedTest,
    Expression,
    Group,
    IsTest,
    Node,
    Ordering,
    Output,
    OutputKey,
    Rendering,
    Slot,
    Step,
    result_keys,
)
from tieline.dialect.request import patterns
from tieline.dialect.request.media import Form
from tieline.dialect.request.syntax import (
    Field,
    Filter,
    JsonStep,
    Logic,
    OrderTerm,
    Predicate,
    Quantifier,
    SelectField,
)

# The patterns of one filter that get bounds. Beyond these, the index would be searched too often to gain by it.
_PATTERNS_MAX = 20
# PostgreSQL cuts longer names, and PostgREST makes the keys of an answer from names.
_NAME_BYTES_MAX = 63
# The texts that PostgreSQL reads as booleans: these words and their unambiguous beginnings.
_TRUTHS: Mapping[str, bool] = {
    word[:length]: is_true
    for word, is_true, length_min in (
        ("true", True, 1), ("yes", True, 1), ("on", True, 2), ("1", True, 1),
        ("false", False, 1), ("no", False, 1), ("off", False, 2), ("0", False, 1),
    )
    for length in range(length_min, len(word) + 1)
}  # fmt: skip


@dataclass(slots=True)
class Values:
    """The values of a request in the order in which they are met. The company is the first."""

    company: str
    held: list[str | bytes | None] = field(default_factory=list[str | bytes | None])

    def __post_init__(self) -> None:
        self.held.append(self.company)

    def add(self, value: str | bytes) -> Slot:
        """Keep a value and return its slot."""
        self.held.append(value)
        return len(self.held) - 1


def column(resource: Resource, name: str, alias: str | None = None) -> Column:
    """The column of this name."""
    found = resource.columns.get(name)
    if found is None:
        raise problems.column_unknown(alias or resource.name, name, tuple(resource.columns))
    return found


def key(name: str, values: Values) -> OutputKey:
    """A key of the answer, cut to the length of PostgreSQL's names.

    >>> values = Values("c1")
    >>> key("entityId", values).word, values.held[key("é" * 40, values).slot] == "é" * 31
    ('entityId', True)
    """
    word = WORDS.get(name)
    if word is not None:
        return OutputKey(word, 0)
    return OutputKey(None, values.add(name.encode()[:_NAME_BYTES_MAX].decode(errors="ignore")))


@dataclass(slots=True)
class Resolver:
    """Turns the syntax of one request into its model, and collects its values."""

    values: Values
    answer_bytes_max: int
    _bytes_slot: Slot | None = None

    def bytes_max(self) -> Slot:
        """The slot of the most bytes that an answer may have."""
        if self._bytes_slot is None:
            self._bytes_slot = self.values.add(str(self.answer_bytes_max))
        return self._bytes_slot

    def steps(self, steps: tuple[JsonStep, ...]) -> tuple[Step, ...]:
        """The arrows of a path; each key gets a slot."""
        return tuple(Step(self.values.add(s.key), s.is_index, s.is_text) for s in steps)

    def expression(self, branch: Branch, name: Field) -> Expression:
        """A field of a branch."""
        return Expression(column(branch.resource, name.name, branch.table_alias), self.steps(name.steps))

    def output(self, branch: Branch, item: SelectField) -> Output:
        """An item of select=."""
        for word in (item.cast, item.aggregate_cast if item.aggregate else None):
            if word is not None and word.lower() not in CASTS:
                raise problems.type_unknown(word)
        is_count = item.field.name == "*" and item.aggregate is not None
        expression = None if is_count else self.expression(branch, item.field)
        return Output(
            key(item.alias or item.aggregate or _implied_name(item.field), self.values),
            expression,
            None if item.cast is None else CASTS[item.cast.lower()],
            None if item.aggregate is None else AGGREGATES[item.aggregate],
            None if item.aggregate_cast is None or not item.aggregate else CASTS[item.aggregate_cast.lower()],
        )

    def outputs(self, branch: Branch) -> tuple[Output, ...]:
        """All items of select=. Without any, and for *, these are all columns."""
        items = branch.items
        if not items and not branch.children and branch.depth == 0:
            items = (SelectField(Field("*")),)
        found: list[Output] = []
        for item in items:
            if item.field.name == "*" and item.aggregate is None:
                shown = [c for c in branch.resource.columns.values() if not c.is_hidden]
                found += [Output(OutputKey(c.name, 0), Expression(c)) for c in shown]
            else:
                found.append(self.output(branch, item))
        return tuple(found)

    def condition(self, branch: Branch, asked: Filter | Logic) -> Condition:
        """A filter or a tree of them."""
        if isinstance(asked, Logic):
            operands = tuple(self.condition(branch, operand) for operand in asked.operands)
            return Group(asked.word, asked.is_negated, operands)
        test = asked.test
        if not asked.field.steps and test.operator == "is" and test.values == ("null",):
            for index, child in enumerate(branch.children):
                if child.output_name == asked.field.name:
                    return EmbedTest(index, is_empty=not test.is_negated)
        return self.test(self.expression(branch, asked.field), test)

    def test(self, expression: Expression, test: Predicate) -> Condition:
        """The test of an expression."""
        found = expression.column
        if found.type == "boolean" and not found.is_nullable and not expression.steps:
            truth = _truth(test)
            if truth is not None:
                return Truth(found, truth)
        if test.operator == "is":
            return IsTest(expression, test.values[0], test.is_negated)
        language = None if test.language is None else self.values.add(test.language)
        bound = _bound(test)
        slot = self.values.add(bound)
        found = () if test.operator != "like" or test.is_negated else self.patterns(expression, test.quantifier, bound)
        return Comparison(expression, test.operator, test.is_negated, slot, test.quantifier, language, found)

    def patterns(
        self, expression: Expression, quantifier: Quantifier | None, bound: str
    ) -> tuple[tuple[Bounds, ...], ...]:
        """The bounds of each pattern of a `like`, if the column has indexes for them."""
        if expression.column.reversed is None or expression.steps:
            return ()
        texts = [bound] if quantifier is None else patterns.elements(bound, _PATTERNS_MAX)
        if texts is None:
            return ()
        found = [self.bounds(text) for text in texts]
        return () if quantifier == "any" and () in found else tuple(bounds for bounds in found if bounds)

    def bounds(self, pattern: str) -> tuple[Bounds, ...]:
        """The bounds of a pattern: by the literal text that it begins with, and by the one that it ends with."""
        ends = patterns.ends(pattern)
        if ends is None:
            return ()
        made: list[Bounds] = []
        for text, is_reversed in ((ends.first, False), (ends.last[::-1], True)):
            if text:
                high = patterns.above(text)
                made.append(Bounds(self.values.add(text), None if high is None else self.values.add(high), is_reversed))
        return tuple(made)

    def ordering(self, branch: Branch, term: OrderTerm, embeds: tuple[Embed, ...]) -> Ordering:
        """A term of order=."""
        if term.relation is None:
            return Ordering(term.direction, term.nulls, self.expression(branch, term.field))
        index = next(i for i, c in enumerate(branch.children) if c.output_name == term.relation)
        name = term.field.name
        names = [self.name_of(k) for k in result_keys(embeds[index].node)]
        if name not in names:
            raise problems.column_unknown(f"{branch.resource.name}_{term.relation}_{branch.depth + 1}", name)
        steps = self.steps(term.field.steps)
        return Ordering(term.direction, term.nulls, None, index, names.index(name), steps)

    def name_of(self, output_key: OutputKey) -> str:
        """The text of a key."""
        held = output_key.word or self.values.held[output_key.slot]
        assert isinstance(held, str), "keys are text"
        return held

    def node(self, branch: Branch) -> Node:
        """A branch with its embedded branches."""
        seen: set[tuple[str, str]] = set()
        for child in branch.children:
            if (child.resource.name, child.output_name) in seen:
                raise problems.embedded_twice(f"{branch.resource.name}_{child.output_name}_{child.depth}")
            seen.add((child.resource.name, child.output_name))
        outputs = self.outputs(branch)
        embeds = tuple(self.embed(child) for child in branch.children)
        where = tuple(self.condition(branch, asked) for asked in branch.filters)
        order = tuple(self.ordering(branch, term, embeds) for term in branch.order)
        limit = offset = None
        if branch.span is not None:
            rows_max = branch.span.rows_max
            limit = None if rows_max is None else self.values.add(str(rows_max))
            offset = self.values.add(str(branch.span.first)) if branch.span.first else None
        return Node(branch.resource, outputs, embeds, where, order, limit, offset)

    def embed(self, branch: Branch) -> Embed:
        """An embedded branch."""
        assert branch.relationship is not None, "every branch but the root has a relationship"
        node = self.node(branch)
        is_hidden = not branch.is_spread and not result_keys(node)
        return Embed(
            key(branch.output_name, self.values),
            branch.relationship,
            node,
            branch.is_inner,
            branch.is_spread,
            is_hidden,
            self.bytes_max(),
        )

    def rendering(self, form: Form, node: Node, *, has_body: bool, is_bounded: bool = False) -> Rendering:
        """The rendering of a node. A CSV body needs its header among the values.

        `is_bounded`: the body cannot have more bytes than an answer may have.
        """
        bytes_max = None if is_bounded or not has_body else self.bytes_max()
        if form is not Form.CSV or not has_body:
            return Rendering(form, has_body, bytes_max=bytes_max)
        # PostgREST's header has the names without quotes.
        header = self.values.add(",".join(self.name_of(k) for k in result_keys(node)))
        return Rendering(form, has_body, header, bytes_max=bytes_max)


def _implied_name(name: Field) -> str:
    """The name of a field without an alias: the last key of its path that is no index, or else its column."""
    keys = [step.key for step in name.steps if not step.is_index]
    return keys[-1] if keys else name.name


def _truth(test: Predicate) -> bool | None:
    """The value of a boolean that a test asks for; None if the test is of another kind."""
    if test.quantifier is not None or test.operator not in {"eq", "neq", "is"}:
        return None
    truth = _TRUTHS.get(test.values[0].strip(" \t\n\r\v\f").lower())
    return None if truth is None else truth ^ (test.operator == "neq") ^ test.is_negated


def array_literal(values: tuple[str, ...]) -> str:
    r"""PostgreSQL's text form of an array of texts.

    >>> array_literal(('a', 'b"c')), array_literal(("",))
    ('{"a","b\\"c"}', '{}')
    """
    if values == ("",):
        return "{}"
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


def _bound(test: Predicate) -> str:
    if test.operator == "in":
        return array_literal(test.values)
    if test.operator in {"like", "ilike"}:
        return test.values[0].replace("*", "%")
    return test.values[0]
