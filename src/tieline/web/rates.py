"""How often keys call and addresses fail to log in: fixed windows of a minute, exact within this process."""

import time
from dataclasses import dataclass

from limits.aio.storage import MemoryStorage

from tieline import problems
from tieline.settings import Settings

WINDOW_SECONDS = 60
# Past so many keys those whose window has ended are forgotten.
WINDOWS_MAX = 10_000


@dataclass(slots=True)
class _Window:
    """What a key has done in the minute that began with its first request."""

    ends_at: float
    made: int = 0


class Rates:
    """The counts of this process. With several workers a key may make as many requests in each.

    Keys are counted here: the library, which counts what fails, would take a tenth of a look-up for it.
    """

    def __init__(self, settings: Settings) -> None:
        self._windows: dict[tuple[str, str], _Window] = {}
        self._counts = MemoryStorage()
        self._default = settings.rate_limit_per_minute
        self._failures_max = settings.failed_logins_per_minute

    def count(self, company_id: str, key_id: str, limit: int | None) -> tuple[tuple[str, str], ...]:
        """Count a request of a key; the headers that tell it where it stands.

        Raises:
            Problem: 429, with these headers and Retry-After.
        """
        limit = limit or self._default
        window = self._window((company_id, key_id))
        window.made += 1
        headers = (
            ("x-ratelimit-limit", str(limit)),
            ("x-ratelimit-remaining", str(max(0, limit - window.made))),
            ("x-ratelimit-reset", str(int(window.ends_at) + 1)),
        )
        if window.made > limit:
            problem = problems.too_many_requests(_seconds_until(window.ends_at))
            problem.headers = (*problem.headers, *headers)
            raise problem
        return headers

    def _window(self, place: tuple[str, str]) -> _Window:
        now = time.time()
        window = self._windows.get(place)
        if window is None or window.ends_at <= now:
            if len(self._windows) >= WINDOWS_MAX:
                self._windows = {other: it for other, it in self._windows.items() if it.ends_at > now}
            window = self._windows[place] = _Window(now + WINDOW_SECONDS)
        return window

    async def require_few_failures(self, address: str) -> None:
        """Let an address try credentials.

        Raises:
            Problem: 429, it has tried too many that do not hold.
        """
        place = f"failed/{address}"
        if await self._counts.get(place) >= self._failures_max:
            raise problems.too_many_requests(_seconds_until(await self._counts.get_expiry(place)))

    async def count_failure(self, address: str) -> None:
        """The credentials that came from this address do not hold."""
        await self._counts.incr(f"failed/{address}", WINDOW_SECONDS)


def _seconds_until(moment: float) -> int:
    return max(1, int(moment - time.time()) + 1)
