"""Records that wait for a holder to give up an external id.

They are kept in a temporary file, since there may be as many as in the import.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import IO

import msgspec

from tieline.store.batches.results import Result
from tieline.store.batches.rows import MappingRow
from tieline.transfer.columns import Cell, Record


class HeldRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that met a holder, and its result. `entity` is the hash of its entity, `holder` of the holder's."""

    line: int
    row: MappingRow
    cells: dict[str, Cell] | None
    result: Result
    entity: int
    holder: int

    @property
    def record(self) -> Record:
        """The record as it was read."""
        return Record(self.line, self.row, self.cells)


class Held:
    """Records at the end of a temporary file, in pieces that can be read in either direction."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._pieces: list[tuple[int, int]] = []
        self._decoder = msgspec.json.Decoder(list[HeldRecord])
        self.count = 0

    def emptied(self) -> "Held":
        """An empty place for other records, in the same file."""
        return Held(self._file)

    def add(self, records: Sequence[HeldRecord]) -> None:
        """Append these as one piece."""
        if not records:
            return
        start = self._file.seek(0, 2)
        self._pieces.append((start, self._file.write(msgspec.json.encode(records))))
        self.count += len(records)

    def read(self, *, is_backwards: bool = False) -> Generator[list[HeldRecord]]:
        """The pieces, each in the order of its lines."""
        for start, size in reversed(self._pieces) if is_backwards else self._pieces:
            self._file.seek(start)
            yield self._decoder.decode(self._file.read(size))

    def circles(self) -> list[list[int]]:
        """The entities that wait for each other in circles."""
        return cycles({record.entity: record.holder for piece in self.read() for record in piece})


def batches(pieces: Iterable[list[HeldRecord]], rows_max: int) -> Generator[list[HeldRecord]]:
    """The records of these pieces in batches, each in the order of its lines."""
    batch: list[HeldRecord] = []
    for piece in pieces:
        if len(batch) + len(piece) > rows_max and batch:
            yield sorted(batch, key=lambda held: held.line)
            batch = []
        batch += piece
    if batch:
        yield sorted(batch, key=lambda held: held.line)


def cycles(holders: dict[int, int]) -> list[list[int]]:
    """The circles in which each entity waits for the next one. `holders`: the entity that each one waits for.

    >>> cycles({1: 2, 2: 3, 3: 1, 4: 1, 5: 9})
    [[1, 2, 3]]
    """
    found: list[list[int]] = []
    seen: dict[int, int] = {}
    for start in holders:
        path: list[int] = []
        here = start
        while here in holders and here not in seen:
            seen[here] = start
            path.append(here)
            here = holders[here]
        if seen.get(here) == start and here in holders:
            found.append(path[path.index(here) :])
    return found
