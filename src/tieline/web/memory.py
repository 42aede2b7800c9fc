"""Memory that is free goes back to the system: glibc alone keeps what a large request has used."""

import asyncio
import ctypes
from collections.abc import Callable

# A body of this size is worth the milliseconds.
LARGE_BYTES = 1_000_000
# Large requests often come in a row.
PAUSE_SECONDS = 1.0
# From glibc's malloc.h. Blocks of at least a megabyte are mapped by themselves and go back at once.
M_MMAP_THRESHOLD = -3


class Memory:
    """Gives memory back a moment after large requests."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        # Other C libraries have neither.
        self._trim: Callable[[int], int] | None = getattr(library, "malloc_trim", None)
        if self._trim is not None:
            library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        self._is_planned = False

    def after(self, size: int) -> None:
        """A request that has held so many bytes has ended."""
        if size >= LARGE_BYTES and self._trim is not None and not self._is_planned:
            self._is_planned = True
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._give_back, self._trim)

    def _give_back(self, trim: Callable[[int], int]) -> None:
        self._is_planned = False
        # In a thread: a call by ctypes lets other Python threads run.
        asyncio.get_running_loop().run_in_executor(None, trim, 0)
