"""Answers that wait for their readers: their bytes are bounded for all connections together."""

import asyncio
import time
from dataclasses import dataclass

from tieline.settings import Settings


@dataclass(slots=True)
class Reading:
    """A connection whose client has not taken its answer: since when, and how many bytes waited then."""

    transport: asyncio.Transport
    since: float
    size: int
    # The bytes that waited when the progress of its client was looked at last.
    seen: int
    timer: asyncio.TimerHandle

    def slowness(self, now: float) -> float:
        """The seconds that it takes for a byte so far; next to none for one that has just begun to wait."""
        taken = self.size - self.transport.get_write_buffer_size()
        return (now - self.since) / (taken + 1)


class Unread:
    """All connections of this process whose clients have not taken their answers."""

    def __init__(self, settings: Settings) -> None:
        self._bytes_max = settings.unread_bytes_max
        self._stretch_seconds = settings.answer_timeout_ms / 1000
        self._progress_bytes = settings.answer_bytes_per_second_min * self._stretch_seconds
        self._readings: dict[asyncio.Transport, Reading] = {}
        # An upper bound: what is taken meanwhile is not subtracted.
        self._size = 0

    def wait(self, transport: asyncio.Transport) -> None:
        """Its client is slow to take an answer. If too much waits for all together, the slowest is closed."""
        size = transport.get_write_buffer_size()
        timer = self._timer(transport)
        self._readings[transport] = Reading(transport, time.monotonic(), size, size, timer)
        self._size += size
        if self._size > self._bytes_max:
            self._make_room()

    def go_on(self, transport: asyncio.Transport) -> None:
        """Its client has taken most of the answer, or is gone."""
        reading = self._readings.pop(transport, None)
        if reading is not None:
            reading.timer.cancel()
            self._size -= reading.size

    def _make_room(self) -> None:
        """Close the slowest readers, until what waits for the others is within the bound."""
        now = time.monotonic()
        waiting = {one.transport: one.transport.get_write_buffer_size() for one in self._readings.values()}
        excess = sum(waiting.values()) - self._bytes_max
        for reading in sorted(self._readings.values(), key=lambda one: one.slowness(now), reverse=True):
            if excess <= 0:
                return
            excess -= waiting[reading.transport]
            self._close(reading.transport)

    def _timer(self, transport: asyncio.Transport) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._stretch_seconds, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        """Close a connection whose client took too little since the last look."""
        reading = self._readings[transport]
        left = transport.get_write_buffer_size()
        if left > reading.seen - self._progress_bytes:
            self._close(transport)
        else:
            reading.seen = left
            reading.timer = self._timer(transport)

    def _close(self, transport: asyncio.Transport) -> None:
        self.go_on(transport)
        transport.abort()
