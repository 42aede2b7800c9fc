"""Rate limits: the requests of each key and the failed logins of each address, in fixed windows of a minute."""

import time
from dataclasses import dataclass
from typing import TypeVar

from cachetools import TTLCache

from tieline import problems
from tieline.settings import Settings

WINDOW_SECONDS = 60
# The number of keys, and of addresses, that are counted at a time. Beyond this the least recently seen is forgotten.
COUNTED_MAX = 100_000

Place = TypeVar("Place")


@dataclass(slots=True)
class Window:
    """A minute, and how much was counted in it; it begins with the first."""

    ends_at: float
    count: int = 0


class Rates:
    """The counts of this process. With several workers, the limits hold for each of them."""

    def __init__(self, settings: Settings) -> None:
        # Two caches: failures from many addresses must not push keys out.
        self._requests: TTLCache[tuple[str, str], Window] = TTLCache(COUNTED_MAX, WINDOW_SECONDS)
        self._failures: TTLCache[str, Window] = TTLCache(COUNTED_MAX, WINDOW_SECONDS)
        self._default = settings.rate_limit_per_minute
        self._failures_max = settings.failed_logins_per_minute

    def count(self, company_id: str, key_id: str, limit: int | None) -> tuple[tuple[str, str], ...]:
        """Count a request of a key; returns the headers that tell the client its limit and its count.

        Raises:
            Problem: 429, with these headers and Retry-After.
        """
        limit = limit or self._default
        window = _counted(self._requests, (company_id, key_id))
        headers = (
            ("x-ratelimit-limit", str(limit)),
            ("x-ratelimit-remaining", str(max(0, limit - window.count))),
            ("x-ratelimit-reset", str(int(window.ends_at) + 1)),
        )
        if window.count > limit:
            raise problems.too_many_requests(_seconds_until(window.ends_at), headers)
        return headers

    def count_failure(self, address: str) -> None:
        """Count a failed login of an address.

        Raises:
            Problem: 429, it has failed too often.
        """
        window = _counted(self._failures, address)
        if window.count > self._failures_max:
            raise problems.too_many_requests(_seconds_until(window.ends_at))


def _counted(windows: TTLCache[Place, Window], place: Place) -> Window:
    """Count one more in the window of a key or an address."""
    try:
        window = windows[place]
    except KeyError:
        window = windows[place] = Window(time.time() + WINDOW_SECONDS)
    window.count += 1
    return window


def _seconds_until(moment: float) -> int:
    return max(1, int(moment - time.time()) + 1)
