"""How often keys call and addresses fail to log in: fixed windows of a minute, exact within this process."""

import time

from limits.aio.storage import MemoryStorage

from tieline import problems
from tieline.settings import Settings

WINDOW_SECONDS = 60


class Rates:
    """The counts of this process. With several workers a key may make as many requests in each.

    The library's storage counts and forgets; its strategies on top would cost a tenth of a look-up.
    """

    def __init__(self, settings: Settings) -> None:
        self._counts = MemoryStorage()
        self._default = settings.rate_limit_per_minute
        self._failures_max = settings.failed_logins_per_minute

    async def count(self, company_id: str, key_id: str, limit: int | None) -> tuple[tuple[str, str], ...]:
        """Count a request of a key; the headers that tell it where it stands.

        Raises:
            Problem: 429, with these headers and Retry-After.
        """
        limit = limit or self._default
        place = f"key/{company_id}/{key_id}"
        made = await self._counts.incr(place, WINDOW_SECONDS)
        ends_at = await self._counts.get_expiry(place)
        headers = (
            ("x-ratelimit-limit", str(limit)),
            ("x-ratelimit-remaining", str(max(0, limit - made))),
            ("x-ratelimit-reset", str(int(ends_at) + 1)),
        )
        if made > limit:
            problem = problems.too_many_requests(_seconds_until(ends_at))
            problem.headers = (*problem.headers, *headers)
            raise problem
        return headers

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
