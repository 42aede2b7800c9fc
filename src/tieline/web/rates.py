"""How often keys call and addresses fail to log in: fixed windows of a minute, exact within this process."""

import time
from functools import cache

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from tieline import problems
from tieline.settings import Settings

FAILED = "failed"


class Rates:
    """The counts of this process. With several workers a key may make as many requests in each."""

    def __init__(self, settings: Settings) -> None:
        self._windows = FixedWindowRateLimiter(MemoryStorage())
        self._default = settings.rate_limit_per_minute
        self._failures = per_minute(settings.failed_logins_per_minute)

    def count(self, company_id: str, key_id: str, limit: int | None) -> tuple[tuple[str, str], ...]:
        """Count a request of a key; the headers that tell it where it stands.

        Raises:
            Problem: 429, with these headers and Retry-After.
        """
        item = per_minute(limit or self._default)
        holds = self._windows.hit(item, company_id, key_id)
        reset, remaining = self._windows.get_window_stats(item, company_id, key_id)
        headers = (
            ("x-ratelimit-limit", str(item.amount)),
            ("x-ratelimit-remaining", str(remaining)),
            ("x-ratelimit-reset", str(int(reset) + 1)),
        )
        if not holds:
            problem = problems.too_many_requests(max(1, int(reset - time.time()) + 1))
            problem.headers = (*problem.headers, *headers)
            raise problem
        return headers

    def require_few_failures(self, address: str) -> None:
        """Let an address try credentials.

        Raises:
            Problem: 429, it has tried too many that do not hold.
        """
        if not self._windows.test(self._failures, FAILED, address):
            reset, _ = self._windows.get_window_stats(self._failures, FAILED, address)
            raise problems.too_many_requests(max(1, int(reset - time.time()) + 1))

    def count_failure(self, address: str) -> None:
        """The credentials that came from this address do not hold."""
        self._windows.hit(self._failures, FAILED, address)


@cache
def per_minute(amount: int) -> RateLimitItem:
    """The library's item for a limit; made once for each."""
    return RateLimitItemPerMinute(amount)
