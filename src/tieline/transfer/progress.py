"""How far an import has come: what has landed, and which rows have not."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

from tieline.transfer.columns import Record, Refused
from tieline.transfer.landed import Landed
from tieline.transfer.load import StoppedError


@dataclass(slots=True)
class Progress:
    """The counts so far; refused rows and moved ids are counted and not kept.

    `next_line` is the first line that was read and is in no batch that landed, `last_line` the last one that is in one.
    `waiting` rows have been read and wait for other rows of the file.
    """

    landed: Landed = field(default_factory=Landed)
    refused: int = 0
    moved: int = 0
    waiting: int = 0
    next_line: int | None = None
    last_line: int = 0
    # Set by another thread: the process ends, and no further batch begins.
    must_end: bool = False
    _rows: int = 0
    _line: int = 0

    def passing(self, rows: Iterable[Record | Refused]) -> Generator[Record | Refused]:
        """The same rows, noted as they are read."""
        for row in rows:
            self._rows += 1
            self._line = row.line
            if self.next_line is None:
                self.next_line = row.line
            if self.must_end:
                raise StoppedError("The server is shutting down.")
            yield row

    def add(self, landed: Landed) -> None:
        """Count a batch. All rows that were read are in this batch or in earlier ones, or wait."""
        counts = Landed(landed.created, landed.updated, landed.unchanged, landed.kept, landed.skipped)
        self.landed.add(counts)
        self.refused += len(landed.refused)
        self.moved += len(landed.moved)
        self.waiting = self._rows - self.landed.rows - self.refused
        self.next_line = None
        self.last_line = self._line

    def rest(self) -> str:
        """A sentence about the rows that have not landed, if the import ends here."""
        if self.next_line is not None:
            said = f"The rows from line {self.next_line:,} on did not land"
        elif self.last_line:
            said = f"The rows after line {self.last_line:,} did not land"
        else:
            return "No row landed."
        if self.waiting:
            return (
                f"{said}, nor did {self.waiting:,} rows before that line, which wait for other rows of the file. "
                "Import the whole file again; what has landed stays as it is."
            )
        return f"{said}. Import them again, under the first line of the file."
