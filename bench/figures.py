"""The figures of the scripts, printed as one table of ratios."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: the work, its figure, the figure beside it, their ratio, and the ratio that is wanted."""

    work: str
    measured: str
    beside: str = ""
    ratio: float | None = None
    wanted: str = ""


def show(figures: Iterable[Figure]) -> None:
    """Print the table."""
    table = Table("work", "measured", "beside", "ratio", "wanted")
    for one in figures:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        table.add_row(one.work, one.measured, one.beside, ratio, one.wanted)
    Console(width=150).print(table)
