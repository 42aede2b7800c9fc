"""Placeholders, expressions and conditions → SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from tieline.dialect.catalogue import Column, Truth
from tieline.dialect.plan.model import (
    COMPANY_SLOT,
    Bounds,
    Comparison,
    Condition,
    EmbedTest,
    Expression,
    Group,
    IsTest,
    Ordering,
    Slot,
    Step,
)

OPERATORS: Mapping[str, LiteralString] = {
    "eq": "=", "gte": ">=", "gt": ">", "lte": "<=", "lt": "<", "neq": "<>", "like": "like", "ilike": "ilike",
    "match": "~", "imatch": "~*", "cs": "@>", "cd": "<@", "ov": "&&", "sl": "<<", "sr": ">>", "nxr": "&<",
    "nxl": "&>", "adj": "-|-", "isdistinct": "is distinct from",
}  # fmt: skip
_FULL_TEXT: Mapping[str, LiteralString] = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
_IS: Mapping[str, LiteralString] = {
    "null": "null",
    "not_null": "not null",
    "true": "true",
    "false": "false",
    "unknown": "unknown",
}
_QUANTIFIERS: Mapping[str, LiteralString] = {"any": "any", "all": "all"}
_DIRECTIONS: Mapping[str, LiteralString] = {"asc": " asc", "desc": " desc"}
_NULLS: Mapping[str, LiteralString] = {"nullsfirst": " nulls first", "nullslast": " nulls last"}
_WORDS: Mapping[str, LiteralString] = {"and": " and ", "or": " or "}


# Comparisons of text and of times that are leakproof.
_LEAKPROOF = frozenset({"eq", "gt", "gte", "lt", "lte", "in"})

_DIGITS: tuple[LiteralString, ...] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def digits(number: int) -> LiteralString:
    """The text of a number, typed as text that may stand in a statement.

    >>> digits(407)
    '407'
    """
    return _DIGITS[number] if number < 10 else digits(number // 10) + _DIGITS[number % 10]


@dataclass(slots=True)
class Placeholders:
    """The placeholders of one statement, numbered by their first use; the company's is $1. `aliases` counts tables."""

    slots: list[Slot] = field(default_factory=lambda: [COMPANY_SLOT])
    aliases: int = 0

    def of(self, slot: Slot) -> LiteralString:
        """The placeholder of a slot.

        >>> Placeholders().of(7), Placeholders().of(0)
        ('$2', '$1')
        """
        if slot not in self.slots:
            self.slots.append(slot)
        return f"${digits(self.slots.index(slot) + 1)}"

    def alias(self) -> LiteralString:
        """A new name for a table."""
        self.aliases += 1
        return f"e{digits(self.aliases)}"


@dataclass(frozen=True, slots=True)
class Scope:
    """The alias of the rows, and for each embedded resource the condition that it has rows."""

    alias: LiteralString
    embedded: Sequence[LiteralString] = ()


def steps(given: Sequence[Step], placeholders: Placeholders) -> LiteralString:
    """The arrows of a path; its keys are bound."""
    text: LiteralString = ""
    for step in given:
        arrow: LiteralString = "->>" if step.is_text else "->"
        text += f"{arrow}{placeholders.of(step.slot)}{'::int' if step.is_index else ''}"
    return text


def expression(
    given: Expression, alias: LiteralString, placeholders: Placeholders, *, is_shown: bool = False
) -> LiteralString:
    """A column, or a path into it. A path into a column of another type goes into its value as JSON.

    `is_shown`: stored JSON that an answer could not take becomes a note (shown_json.sql).
    """
    column: LiteralString = f"{alias}.{given.column.sql}"
    if is_shown and given.column.type == "jsonb":
        column = f"tieline.shown({column})"
    if not given.steps:
        return column
    source: LiteralString = column if given.column.type == "jsonb" else f"to_jsonb({column})"
    return source + steps(given.steps, placeholders)


def _comparison(given: Comparison, scope: Scope, placeholders: Placeholders) -> LiteralString:
    left = expression(given.expression, scope.alias, placeholders)
    if given.operator in _FULL_TEXT:
        language: LiteralString = "" if given.language is None else f"{placeholders.of(given.language)}, "
        query: LiteralString = f"{_FULL_TEXT[given.operator]}({language}{placeholders.of(given.value)})"
        return f"to_tsvector({language}{left}) @@ {query}"
    value = placeholders.of(given.value)
    if given.operator == "in":
        return f"{left} = any({value})"
    if given.quantifier is not None:
        value = f"{_QUANTIFIERS[given.quantifier]}({value})"
    return f"{left} {OPERATORS[given.operator]} {value}"


def truth(given: Truth, alias: LiteralString) -> LiteralString:
    """The condition as partial indexes have it. PostgreSQL would not match `is false` or a bound value with them."""
    return f"{alias}.{given.column.sql}" if given.is_true else f"not {alias}.{given.column.sql}"


def condition(given: Condition, scope: Scope, placeholders: Placeholders) -> LiteralString:
    """One condition. It can stand between ands without parentheses."""
    negation: LiteralString = "not "
    match given:
        case Comparison():
            text = _comparison(given, scope, placeholders)
            return f"{negation}{text}" if given.is_negated else text
        case IsTest():
            text = f"{expression(given.expression, scope.alias, placeholders)} is {_IS[given.word]}"
            return f"{negation}{text}" if given.is_negated else text
        case Truth():
            return truth(given, scope.alias)
        case EmbedTest():
            return f"{negation}{scope.embedded[given.embed]}" if given.is_empty else scope.embedded[given.embed]
        case _:
            inner = _WORDS[given.word].join([condition(o, scope, placeholders) for o in given.operands])
            return f"not ({inner})" if given.is_negated else f"({inner})"


def _range(column: Column, bounds: Bounds, alias: LiteralString, placeholders: Placeholders) -> LiteralString:
    name: LiteralString = f'"{column.reversed}"' if bounds.is_reversed and column.reversed else column.sql
    low: LiteralString = f"{alias}.{name} ~>=~ {placeholders.of(bounds.low)}"
    return low if bounds.high is None else f"{low} and {alias}.{name} ~<~ {placeholders.of(bounds.high)}"


def _ranges(given: Comparison, scope: Scope, placeholders: Placeholders) -> LiteralString:
    patterns: list[LiteralString] = [
        " and ".join([_range(given.expression.column, bounds, scope.alias, placeholders) for bounds in pattern])
        for pattern in given.patterns
    ]
    if given.quantifier == "any" and len(patterns) > 1:
        return "(" + " or ".join([f"({pattern})" for pattern in patterns]) + ")"
    return " and ".join(patterns)


def _has_patterns(given: Condition) -> bool:
    if isinstance(given, Group):
        return not given.is_negated and any(_has_patterns(operand) for operand in given.operands)
    return isinstance(given, Comparison) and bool(given.patterns)


def _is_leakproof(given: Comparison) -> bool:
    expression = given.expression
    is_known = given.operator in _LEAKPROOF and expression.column.type in {"text", "timestamptz"}
    return is_known and not (given.is_negated or expression.steps)


def _implies_some(given: Condition) -> bool:
    """A condition follows from the given one that may reach an index under row-level security: see where."""
    if isinstance(given, Group):
        among = all if given.word == "or" else any
        return not given.is_negated and among([_implies_some(operand) for operand in given.operands])
    return isinstance(given, Comparison) and (bool(given.patterns) or _is_leakproof(given))


def _implied(given: Condition, scope: Scope, placeholders: Placeholders) -> LiteralString:
    """The condition that follows."""
    if isinstance(given, Group):
        parts: list[LiteralString] = [
            f"({_implied(operand, scope, placeholders)})" for operand in given.operands if _implies_some(operand)
        ]
        return f"({_WORDS[given.word].join(parts)})"
    if isinstance(given, Comparison) and given.patterns:
        return _ranges(given, scope, placeholders)
    return condition(given, scope, placeholders)


def where(
    ties: Sequence[LiteralString], conditions: Sequence[Condition], scope: Scope, placeholders: Placeholders
) -> LiteralString:
    """A where clause: first the ties to the company and to the parent's row, then the request's conditions.

    LIKE is not leakproof, so row-level security keeps it from an index. Beside a pattern stand the comparisons that
    follow from it and are leakproof.
    """
    asked: list[LiteralString] = []
    for each in conditions:
        if _has_patterns(each) and _implies_some(each):
            asked.append(_implied(each, scope, placeholders))
        asked.append(condition(each, scope, placeholders))
    return " where " + " and ".join([*ties, *asked]) if ties or asked else ""


def ordering(
    given: Ordering, alias: LiteralString, embeds: Sequence[LiteralString], placeholders: Placeholders
) -> LiteralString:
    """One term of an order by; `embeds` are the aliases of the embedded resources."""
    if given.expression is not None:
        text = expression(given.expression, alias, placeholders)
    else:
        text = f"{embeds[given.embed]}.{result_name(given.result)}{steps(given.steps, placeholders)}"
    is_never_null = given.expression is not None and not (given.expression.column.is_nullable or given.expression.steps)
    direction: LiteralString = _DIRECTIONS[given.direction] if given.direction else ""
    # PostgreSQL would sort for the place of nulls, also where there are none.
    nulls: LiteralString = _NULLS[given.nulls] if given.nulls and not is_never_null else ""
    return f"{text}{direction}{nulls}"


def result_name(index: int) -> LiteralString:
    """The name of a result inside a statement, by its number.

    >>> result_name(0)
    's1'
    """
    return f"s{digits(index + 1)}"
