"""Placeholders for slots: text that is compiled once names them $1 to $n in the order of their first use."""

from dataclasses import dataclass, field
from typing import LiteralString

from tieline.dialect.plan.model import COMPANY_SLOT, Slot

_DIGITS: tuple[LiteralString, ...] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def digits(number: int) -> LiteralString:
    """A number as text that may stand in a statement.

    >>> digits(407)
    '407'
    """
    return _DIGITS[number] if number < 10 else digits(number // 10) + _DIGITS[number % 10]


@dataclass(slots=True)
class Placeholders:
    """Gives out placeholders; the company's is always $1. `aliases` counts the names given to tables."""

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
        """A name for a table that no other has."""
        self.aliases += 1
        return f"e{digits(self.aliases)}"
