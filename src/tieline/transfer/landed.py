"""The outcomes of the rows of a file so far."""

from dataclasses import dataclass, field
from typing import Literal

from tieline.postgres.session import Session
from tieline.store.batches.plan import OnConflict, OnExisting
from tieline.store.batches.results import MappingKey
from tieline.transfer.columns import Record, Refused, What

# The numbers of lines of a file, by the id of the element or the hash of the system that they are about.
Lines = dict[int, int]


@dataclass(frozen=True, slots=True)
class Job:
    """An import: its kind of rows, its company and its options. `limits`: the SQL that sets the limits of values."""

    what: What
    session: Session
    limits: bytes
    on_conflict: OnConflict = "report"
    on_existing: OnExisting = "update"
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """A record that took its external id from another mapping, which stays without one."""

    record: Record
    loser: MappingKey


@dataclass(slots=True)
class Landed:
    """The numbers of rows by outcome, the rows that were refused, and the external ids that were moved."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0
    skipped: int = 0
    refused: list[Refused] = field(default_factory=list[Refused])
    moved: list[Moved] = field(default_factory=list[Moved])

    @property
    def rows(self) -> int:
        """The number of rows that were not refused."""
        return self.created + self.updated + self.unchanged + self.kept + self.skipped

    def count(self, outcome: Literal["created", "updated", "unchanged", "kept", "skipped"]) -> None:
        """Count a row that was not refused."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def add(self, other: "Landed") -> None:
        """Add the numbers and rows of another batch."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.kept += other.kept
        self.skipped += other.skipped
        self.refused += other.refused
        self.moved += other.moved
