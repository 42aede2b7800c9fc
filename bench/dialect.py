"""The dialect's time from a request to its bound statement, without a database: medians in microseconds.

python bench/dialect.py
"""

import statistics
import time
from collections.abc import Callable

from tieline.dialect import statement
from tieline.dialect.request.asked import Asked
from tieline.dialect.request.limits import Limits
from tieline.dialect.request.prefer import NONE
from tieline.dialect.statement import prepare

LIMITS = Limits(depth_max=50, page_rows_max=1000)
RESOURCE = "externalIntegrationMapping"
ROUNDS = 3000
CACHED_MAX, UNCACHED_MAX = 25, 1000

LOOKUP = "entityType=eq.item&entityId=eq.{n:032x}&integration=eq.xero"
COMPLEX = (
    "select=id,co:company!inner(name),metadata->retry&company.name=like.*a*"
    "&or=(id.eq.{n},and(id.gt.2,not.or(link.eq.1,link.is.null)))&order=id.desc&limit=10"
)


def forget() -> None:
    """Empty the caches, as before the first request."""
    statement._compiled.cache_clear()  # noqa: SLF001 - measured is a request without them
    statement._alike.cache_clear()  # noqa: SLF001


def median_us(query: str, before_each: Callable[[], None] | None = None) -> float:
    taken: list[int] = []
    for n in range(ROUNDS):
        if before_each is not None:
            before_each()
        asked = Asked("GET", RESOURCE, query.format(n=n), NONE)
        started = time.perf_counter_ns()
        prepare(asked, "c1", LIMITS)
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken) / 1000


def main() -> None:
    rows = (
        ("look-up by an entity, its shape known", median_us(LOOKUP), CACHED_MAX),
        ("look-up by an entity, its shape new", median_us(LOOKUP, forget), UNCACHED_MAX),
        ("embedding, trees and order, known", median_us(COMPLEX.replace("{n}", "1")), CACHED_MAX),
        ("embedding, trees and order, known but for values in the tree", median_us(COMPLEX), UNCACHED_MAX),
        ("embedding, trees and order, all new", median_us(COMPLEX, forget), UNCACHED_MAX),
    )
    for name, taken, at_most in rows:
        print(f"{name:65} {taken:7.1f} us  (at most {at_most})")


if __name__ == "__main__":
    main()
