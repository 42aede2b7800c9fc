"""Conditions and expressions → SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from tieline.dialect.catalogue import Column
from tieline.dialect.plan.model import (
    Comparison,
    Condition,
    EmbedTest,
    Expression,
    IsTest,
    Ordering,
    Step,
    Truth,
)
from tieline.dialect.sql.placeholders import Placeholders, digits

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


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names are looked up: the alias of the rows, and what says that something is embedded, by its number."""

    alias: LiteralString
    embedded: Sequence[LiteralString] = ()


def steps(given: Sequence[Step], placeholders: Placeholders) -> LiteralString:
    """The arrows of a path; its keys are bound."""
    text: LiteralString = ""
    for step in given:
        arrow: LiteralString = "->>" if step.is_text else "->"
        text += f"{arrow}{placeholders.of(step.slot)}{'::int' if step.is_index else ''}"
    return text


def expression(given: Expression, alias: LiteralString, placeholders: Placeholders) -> LiteralString:
    """A column, or what a path leads to; a column that is no JSON is made into some first."""
    column: LiteralString = f"{alias}.{given.column.sql}"
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


def _truth(column: Column, alias: LiteralString, *, is_true: bool) -> LiteralString:
    # As the partial index has it: "is false" would not match its condition, nor would a bound value.
    return f"{alias}.{column.sql}" if is_true else f"not {alias}.{column.sql}"


def condition(given: Condition, scope: Scope, placeholders: Placeholders) -> LiteralString:
    """One condition, fit to stand between ands."""
    negation: LiteralString = "not "
    match given:
        case Comparison():
            text = _comparison(given, scope, placeholders)
            return f"{negation}{text}" if given.is_negated else text
        case IsTest():
            text = f"{expression(given.expression, scope.alias, placeholders)} is {_IS[given.word]}"
            return f"{negation}{text}" if given.is_negated else text
        case Truth():
            return _truth(given.column, scope.alias, is_true=given.is_true)
        case EmbedTest():
            return f"{negation}{scope.embedded[given.embed]}" if given.is_empty else scope.embedded[given.embed]
        case _:
            inner = _WORDS[given.word].join([condition(o, scope, placeholders) for o in given.operands])
            return f"not ({inner})" if given.is_negated else f"({inner})"


def where(
    ties: Sequence[LiteralString], conditions: Sequence[Condition], scope: Scope, placeholders: Placeholders
) -> LiteralString:
    """A where clause: what every row must be, the company's above all, then what was asked."""
    asked: list[LiteralString] = [condition(c, scope, placeholders) for c in conditions]
    return " where " + " and ".join([*ties, *asked]) if ties or asked else ""


def ordering(
    given: Ordering, alias: LiteralString, embeds: Sequence[LiteralString], placeholders: Placeholders
) -> LiteralString:
    """One term of an order by; `embeds` are the aliases of what is embedded."""
    if given.expression is not None:
        text = expression(given.expression, alias, placeholders)
    else:
        text = f"{embeds[given.embed]}.{result_name(given.result)}{steps(given.steps, placeholders)}"
    direction: LiteralString = _DIRECTIONS[given.direction] if given.direction else ""
    nulls: LiteralString = _NULLS[given.nulls] if given.nulls else ""
    return f"{text}{direction}{nulls}"


def result_name(index: int) -> LiteralString:
    """What the result of this number is called inside a statement.

    >>> result_name(0)
    's1'
    """
    return f"s{digits(index + 1)}"
