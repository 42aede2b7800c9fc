"""How often keys call and addresses fail to log in: fixed windows of a minute, exact within this process."""

import time
from dataclasses import dataclass
from typing import TypeVar

from cachetools import TTLCache

from tieline import problems
from tieline.settings import Settings

WINDOW_SECONDS = 60
# So many keys and so many addresses are counted at a time; past it the one that was seen last the longest ago goes.
COUNTED_MAX = 100_000

Place = TypeVar("Place")


@dataclass(slots=True)
class Window:
    """A minute from the first thing that was counted in it."""

    ends_at: float
    count: int = 0


class Rates:
    """The counts of this process. With several workers a key may make as many requests in each."""

    def __init__(self, settings: Settings) -> None:
        # Apart: whoever fails from many addresses must not push a key out.
        self._requests: TTLCache[tuple[str, str], Window] = TTLCache(COUNTED_MAX, WINDOW_SECONDS)
        self._failures: TTLCache[str, Window] = TTLCache(COUNTED_MAX, WINDOW_SECONDS)
        self._default = settings.rate_limit_per_minute
        self._failures_max = settings.failed_logins_per_minute

    def count(self, company_id: str, key_id: str, limit: int | None) -> tuple[tuple[str, str], ...]:
        """Count a request of a key; the headers that tell it where it stands.

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

    def require_few_failures(self, address: str) -> None:
        """Let an address try credentials.

        Raises:
            Problem: 429, it has tried too many that do not hold.
        """
        # Not by `get`, which looks twice: the window may end in between.
        try:
            window = self._failures[address]
        except KeyError:
            return
        if window.count >= self._failures_max:
            raise problems.too_many_requests(_seconds_until(window.ends_at))

    def count_failure(self, address: str) -> None:
        """The credentials that came from this address do not hold."""
        _counted(self._failures, address)


def _counted(windows: TTLCache[Place, Window], place: Place) -> Window:
    """The window of a place, with one more in it."""
    try:
        window = windows[place]
    except KeyError:
        window = windows[place] = Window(time.time() + WINDOW_SECONDS)
    window.count += 1
    return window


def _seconds_until(moment: float) -> int:
    return max(1, int(moment - time.time()) + 1)
