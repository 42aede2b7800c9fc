"""The time from query string to bound statement, for a known shape and for a new one."""

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import count

from figures import Figure, show

from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE
from tieline.dialect.statement import prepare

RUNS = 3_000
LIMITS = Limits(50, 1_000)
NUMBERS = count()


def measure() -> list[Figure]:
    """Measure both kinds of shapes."""
    known = _median_us(lambda: _prepare("entityType=eq.item&entityId=eq.{}&integration=eq.xero"))
    # A new name in `select` each time makes a new shape.
    fresh = _median_us(lambda: _prepare("select=id,x{}:entityId&entityType=eq.item&integration=eq.xero"))
    tree = _median_us(lambda: _prepare("select=id,x{}:link&or=(entityId.in.(1,2,3),and(link.is.null,id.gt.5))&limit=9"))
    return [
        Figure("parse + compile, known shape", f"{known:.1f} µs", wanted="< 25 µs"),
        Figure("parse + compile, new shape", f"{fresh:.0f} µs", wanted="< 1,000 µs"),
        Figure("parse + compile, new shape with a tree", f"{tree:.0f} µs", wanted="< 1,000 µs"),
    ]


def _prepare(query: str) -> None:
    prepare(Asked("GET", "externalIntegrationMapping", query.format(next(NUMBERS)), NONE), "b1", LIMITS)


def _median_us(run: Callable[[], None]) -> float:
    spent: Sequence[float] = [_seconds(run) for _ in range(RUNS)]
    return statistics.median(spent) * 1e6


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    show(measure())
