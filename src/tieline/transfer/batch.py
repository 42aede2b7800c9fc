"""A batch of staged rows, and what was decided on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from tieline.transfer.columns import Refused, Row
from tieline.transfer.plan import OnConflict


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are staged on this connection, for whom, and what to do about held external ids."""

    conn: psycopg.Connection
    company_id: str
    rows: Sequence[Row]
    on_conflict: OnConflict


@dataclass(slots=True)
class Decision:
    """Which lines do not land, which say what is there already, and which are about a row that is there."""

    refused: list[Refused]
    skipped: list[int]
    unchanged: list[int] = field(default_factory=list[int])
    present: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def out(self) -> list[int]:
        """The lines that do not land."""
        return [*(one.line for one in self.refused), *self.skipped]
