"""The heading of a table: which column of a mapping, an element or a system each of its columns is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tieline.transfer.columns import Cell, What, columns, required
from tieline.transfer.formats import FileRefusedError
from tieline.wire.nearest import nearest

# The columns that a report adds to those of its file. An import passes over them, so a mended report is a file.
REPORT_COLUMNS = ("line", "code", "reason", "holderEntityType", "holderEntityId", "holderMappingId")
# Programs write a byte order mark inside the quotes of the first name, or a second one.
MARK = "\ufeff"
NAME_SHOWN_MAX = 100
# The most unknown names for which a refusal suggests known ones.
UNKNOWN_SHOWN_MAX = 5
NOT_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Heading:
    """For each column of a table the name of its column; None for one that is passed over."""

    places: Sequence[str | None]

    @property
    def columns(self) -> list[str]:
        """The columns that the file gives, in its order."""
        return [name for name in self.places if name is not None]

    def given(self, cells: Sequence[Cell]) -> dict[str, Cell]:
        """The cells of a record by their columns.

        Raises:
            ValueError: there are fewer cells than columns, or a cell beyond the last column is not blank.
        """
        if len(cells) != len(self.places) and (
            len(cells) < len(self.places) or not are_blank(cells[len(self.places) :])
        ):
            raise ValueError(f"{len(cells)} fields where the first line names {len(self.places)} columns")
        return self.as_far_as(cells)

    def as_far_as(self, cells: Sequence[Cell]) -> dict[str, Cell]:
        """The cells by their columns, as many as there are of both."""
        given = dict(zip(self.places, cells, strict=False))
        given.pop(None, None)
        return cast(dict[str, Cell], given)


def are_blank(cells: Sequence[Cell]) -> bool:
    """True if all cells are empty or hold nothing but blanks.

    >>> are_blank([None, " "]), are_blank([None, "a"])
    (True, False)
    """
    return not any(cell and not cell.isspace() for cell in cells)


def likeness(names: Sequence[Cell], what: What) -> int:
    """The number of the names that are columns of such a file, however they are written.

    >>> likeness(["Entity ID", "colour"], "mappings")
    1
    """
    known = {_letters(name) for name in (*columns(what), *REPORT_COLUMNS)}
    return len(known & {_letters(name or "") for name in names})


def heading(cells: Sequence[Cell], what: What) -> Heading:
    """The heading that a record is.

    Raises:
        FileRefusedError: a column is unknown, there twice, without a name or missing.
    """
    names = [(cell or "").strip().strip(MARK).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    known = columns(what)
    unknown = [name for name in names if name and name not in known and name not in REPORT_COLUMNS]
    if unknown:
        raise FileRefusedError(_unknown(unknown, known))
    if "" in names:
        raise FileRefusedError(f"Column {names.index('') + 1} of the file has no name in the first line.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise FileRefusedError(f"The file names the column {twice[0]} twice.")
    missing = [name for name in required(what) if name not in names]
    if missing:
        raise FileRefusedError(f"The file has no column {missing[0]}.")
    return Heading([name if name in known else None for name in names])


def _unknown(unknown: Sequence[str], known: Sequence[str]) -> str:
    by_letters = {_letters(name): name for name in known}
    suggested: dict[str, str] = {}
    for name in unknown[:UNKNOWN_SHOWN_MAX]:
        near = nearest(_letters(name[:NAME_SHOWN_MAX]), by_letters)
        if near:
            suggested[name[:NAME_SHOWN_MAX]] = by_letters[near[0]]
    said = f"The file names a column {unknown[0][:NAME_SHOWN_MAX]!r} that is not one of {', '.join(known)}."
    if len(unknown) == 1 and suggested:
        return f"{said} Did you mean {next(iter(suggested.values()))}?"
    if suggested:
        pairs = ", ".join(f"{name} for {given!r}" for given, name in suggested.items())
        return f"{said} Did you mean {pairs}?"
    return f"{said} The first line must name the columns, divided by commas, semicolons or tabs."


def _letters(name: str) -> str:
    """The letters of a name, without case, blanks and signs.

    >>> _letters("External_Id"), _letters("externalId")
    ('externalid', 'externalid')
    """
    return NOT_LETTERS.sub("", name).casefold()
