"""Records that wait for a holder to give up an external id.

They are kept in a temporary file, since there may be as many as in the import.
"""

from array import array
from collections.abc import Generator, Iterable, Sequence
from typing import IO

import msgspec

from tieline.store.batches.results import Result
from tieline.store.batches.rows import MappingRow
from tieline.transfer.columns import Cell, Record

# A circle lands as a whole or not at all, so it may be larger than other batches.
CIRCLE_BYTES_MAX = 64_000_000


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
    """Records at the end of a temporary file. Only numbers stay in memory: where each is, and what it waits for."""

    def __init__(self, file: IO[bytes], rows_max: int, bytes_max: int) -> None:
        """`rows_max`, `bytes_max`: the size of a batch in which they are tried again."""
        self._file = file
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._decoder = msgspec.json.Decoder(HeldRecord)
        self._starts, self._sizes, self._lines = array("q"), array("q"), array("q")
        self._entities, self._holders = array("q"), array("q")

    @property
    def count(self) -> int:
        """The number of records that wait."""
        return len(self._starts)

    def emptied(self) -> "Held":
        """An empty place for other records, in the same file."""
        return Held(self._file, self._rows_max, self._bytes_max)

    def add(self, records: Iterable[HeldRecord]) -> None:
        """Append these."""
        start = self._file.seek(0, 2)
        for record in records:
            size = self._file.write(msgspec.json.encode(record))
            self._starts.append(start)
            self._sizes.append(size)
            self._lines.append(record.line)
            self._entities.append(record.entity)
            self._holders.append(record.holder)
            start += size

    def in_order_of_waiting(self) -> Generator[list[HeldRecord]]:
        """The records in batches, each behind the one that it waits for; a circle stays whole if it fits into one."""
        groups = (
            piece
            for group in circles_and_singles(self._waits())
            for piece in ([group] if self._is_whole(group) else [[place] for place in group])
        )
        yield from self._batches(groups)

    def in_order_of_lines(self) -> Generator[list[HeldRecord]]:
        """The records in batches, in the order of their lines."""
        yield from self._batches([place] for place in sorted(range(self.count), key=self._lines.__getitem__))

    def long_circles(self) -> dict[int, int]:
        """The entities that wait for each other in circles which fit into no batch, with the length of their circle."""
        return {
            self._entities[place]: len(group)
            for group in circles_and_singles(self._waits())
            if not self._is_whole(group)
            for place in group
        }

    def _is_whole(self, group: Sequence[int]) -> bool:
        return len(group) == 1 or (
            len(group) <= self._rows_max and sum(self._sizes[place] for place in group) <= CIRCLE_BYTES_MAX
        )

    def _waits(self) -> list[int]:
        """For each record the place of the one that it waits for; -1 if that is none of these."""
        places = {entity: place for place, entity in enumerate(self._entities)}
        return [places.get(holder, -1) for holder in self._holders]

    def _batches(self, groups: Iterable[list[int]]) -> Generator[list[HeldRecord]]:
        batch: list[int] = []
        size_bytes = 0
        for group in groups:
            group_bytes = sum(self._sizes[place] for place in group)
            is_full = len(batch) + len(group) > self._rows_max or size_bytes + group_bytes > self._bytes_max
            if batch and is_full:
                yield self._read(batch)
                batch, size_bytes = [], 0
            batch += group
            size_bytes += group_bytes
        if batch:
            yield self._read(batch)

    def _read(self, places: list[int]) -> list[HeldRecord]:
        """Read the records at these places, in the order of their lines."""
        found: list[HeldRecord] = []
        for place in sorted(places, key=self._lines.__getitem__):
            self._file.seek(self._starts[place])
            found.append(self._decoder.decode(self._file.read(self._sizes[place])))
        return found


def circles_and_singles(waits: Sequence[int]) -> Generator[list[int]]:
    """All places, each behind the one that it waits for; those that wait for each other in a circle come together.

    >>> list(circles_and_singles([1, 2, -1, 0]))
    [[2], [1], [0], [3]]
    >>> list(circles_and_singles([1, 2, 1]))
    [[1, 2], [0]]
    """
    new, on_path, done = 0, 1, 2
    states = bytearray(len(waits))
    for start in range(len(waits)):
        path: list[int] = []
        here = start
        while here >= 0 and states[here] == new:
            states[here] = on_path
            path.append(here)
            here = waits[here]
        if here >= 0 and states[here] == on_path:
            first = path.index(here)
            yield path[first:]
            for place in path[first:]:
                states[place] = done
            del path[first:]
        for place in reversed(path):
            states[place] = done
            yield [place]
