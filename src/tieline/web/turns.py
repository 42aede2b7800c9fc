"""A limit on how much of one kind of work runs at a time: of one company, and of all."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tieline import problems
from tieline.places import Places


class Turns:
    """The work of one kind that this process may do at a time. Companies take turns."""

    def __init__(self, of_company_max: int, of_all_max: int, *, waiters_max: int, wait_seconds_max: float) -> None:
        self._of_company_max = of_company_max
        self._waiters_max, self._wait_seconds_max = waiters_max, wait_seconds_max
        self._all = Places(of_all_max, 100, waiters_max=waiters_max, wait_seconds_max=wait_seconds_max)
        # Of companies that have a turn or wait for one.
        self._companies: dict[str, Places] = {}

    @asynccontextmanager
    async def one(self, company: str, *, waits: bool) -> AsyncGenerator[None]:
        """Take a turn for as long as the context lasts.

        `waits`: for the end of the company's own work. For the end of the others' it waits in any case.

        Raises:
            Problem: 503, all turns are taken, and none became free in time.
        """
        own = self._companies.get(company)
        if own is None:
            own = Places(
                self._of_company_max, 100, waiters_max=self._waiters_max, wait_seconds_max=self._wait_seconds_max
            )
            self._companies[company] = own
        try:
            if waits:
                await own.take(company)
            elif not own.take_now(company):
                raise problems.too_busy()
            try:
                await self._all.take(company)
                try:
                    yield
                finally:
                    self._all.give_back(company)
            finally:
                own.give_back(company)
        finally:
            if not own.taken and not own.waiting:
                self._companies.pop(company, None)
