"""The bytes of all request bodies that this process holds at a time, of which each company may have a share."""

import asyncio

from tieline import problems
from tieline.places import Queue, Waiter
from tieline.settings import Settings
from tieline.web.memory import Memory


class Bodies:
    """The bytes that may still be read. A company that wants more than there is room for waits behind itself."""

    def __init__(self, settings: Settings) -> None:
        self._free = settings.bodies_bytes_max
        self._percent = settings.company_share_percent
        self._waiters_max = settings.connection_waiters_max
        self._wait_seconds_max = settings.connection_wait_ms / 1000
        self._held: dict[str, int] = {}
        self._queue = Queue()
        self._wanted: dict[Waiter, int] = {}
        self._memory = Memory()

    def take_now(self, party: str, size: int) -> bool:
        """Hold so many bytes more, if there is room. The first body of a company may take all that is free."""
        held = self._held.get(party, 0)
        if size > self._free or (held and held + size > (held + self._free) * self._percent // 100):
            return False
        self._free -= size
        self._held[party] = held + size
        return True

    async def take(self, party: str, size: int) -> None:
        """Hold so many bytes; wait for room if need be.

        Raises:
            Problem: 503, too many wait, or there was no room in time.
        """
        if not self._queue.length_of(party) and self.take_now(party, size):
            return
        if self._queue.length >= self._waiters_max:
            raise problems.bodies_full()
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._wanted[waiter] = size
        self._queue.add(party, waiter)
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await waiter
        except BaseException as error:
            if not self._queue.remove(party, waiter) and waiter.done() and not waiter.cancelled():
                self.give_back(party, size)
            if isinstance(error, TimeoutError):
                raise problems.bodies_full() from None
            raise
        finally:
            del self._wanted[waiter]

    def give_back(self, party: str, size: int) -> None:
        """So many bytes are held no more. The parties that wait are served in turn."""
        self._memory.after(size)
        left = self._held[party] - size
        if left:
            self._held[party] = left
        else:
            del self._held[party]
        self._free += size
        for other in self._queue.parties():
            while self._queue.length_of(other) and self._serve_first(other):
                pass

    def _serve_first(self, party: str) -> bool:
        waiter = self._queue.first(party)
        if not waiter.done():
            if not self.take_now(party, self._wanted[waiter]):
                return False
            waiter.set_result(None)
        self._queue.pop(party)
        return True
