"""Reading what a client has sent, beside the event loop if it is long: meanwhile other requests are answered."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tieline.places import Places
from tieline.settings import Settings

# Python runs one thread at a time. Two, so that a company that sends long bodies leaves one to the others.
THREADS = 2

T = TypeVar("T")


class Aside:
    """The threads that read long texts; companies share them."""

    def __init__(self, settings: Settings) -> None:
        self._loop_bytes_max = settings.loop_bytes_max
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aside")
        self._places = Places(
            THREADS,
            settings.company_share_percent,
            waiters_max=settings.connection_waiters_max,
            wait_seconds_max=settings.connection_wait_ms / 1000,
        )

    async def run(self, party: str, size: int, work: Callable[[], T]) -> T:
        """Do the work over a text of this size.

        Raises:
            Problem: 503, the threads are busy with other texts.
        """
        if size <= self._loop_bytes_max:
            return work()
        await self._places.take(party)
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # A thread cannot be stopped: after a cancelled call its place is free when the thread has ended.
        running.add_done_callback(lambda _: self._places.give_back(party))
        try:
            return await asyncio.shield(running)
        finally:
            # An error refers to this frame, and the frame must not refer to the error: such circles hold the text until
            # the garbage collector comes.
            del running

    def close(self) -> None:
        """Wait for the work that is under way."""
        self._threads.shutdown(cancel_futures=True)
