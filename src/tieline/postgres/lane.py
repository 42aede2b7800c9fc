"""A lane: connections that are alike, and the rule by which a statement gets one of them.

Look-ups by a whole key share connections. All other statements have a connection to themselves while they run: in a
shared one, a statement of seconds would hold up every look-up behind it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from tieline import problems
from tieline.postgres.pipeline import Pipeline
from tieline.settings import Settings

# The names of the lanes that every server has.
POINT = "point"
SINGLE = "single"


@dataclass(frozen=True, slots=True)
class Lane:
    """So many connections to one server.

    `timeout_ms`: how long a statement may run. `shares_sync`: a connection carries many statements at a time, which
    must be reads; without it, one at a time.
    """

    name: str
    # It may contain a password.
    dsn: str = field(repr=False)
    size: int
    timeout_ms: int
    shares_sync: bool


def lanes_of(settings: Settings, dsn: str) -> tuple[Lane, ...]:
    """The lanes that every server has, on this database."""
    return (
        Lane(POINT, dsn, settings.lookup_connections, settings.lookup_timeout_ms, shares_sync=True),
        Lane(SINGLE, dsn, settings.statement_connections, settings.statement_timeout_ms, shares_sync=False),
    )


class Lines:
    """The open connections of a lane, and the statements that wait for one."""

    def __init__(self, lane: Lane, settings: Settings) -> None:
        self.lane = lane
        self.open: list[Pipeline] = []
        self._wait_seconds_max = settings.connection_wait_ms / 1000
        self._waiters_max = settings.connection_waiters_max
        self._idle: deque[Pipeline] = deque()
        self._waiters: deque[asyncio.Future[Pipeline]] = deque()

    @property
    def waiting(self) -> int:
        """The number of statements that wait for a connection."""
        return len(self._waiters)

    def add(self, line: Pipeline) -> None:
        """Use a new connection."""
        self.open.append(line)
        self.on_idle(line)

    def remove(self, line: Pipeline) -> None:
        """Forget a connection that has ended. If none is left, those who wait are told that the database is away."""
        if line in self.open:
            self.open.remove(line)
        if line in self._idle:
            self._idle.remove(line)
        if not self.open:
            while self._waiters:
                waiter = self._waiters.popleft()
                if not waiter.done():
                    waiter.set_exception(problems.database_unavailable())

    def shared(self) -> Pipeline:
        """The connection for a look-up: the one that gathers those of this turn of the loop, else the least busy."""
        if not self.open:
            raise problems.database_unavailable()
        chosen = self.open[0]
        for line in self.open:
            if line.gathers:
                return line
            if line.in_flight < chosen.in_flight:
                chosen = line
        return chosen

    async def free(self) -> Pipeline:
        """A connection with nothing under way; those who wait get theirs in the order in which they came."""
        if self._idle:
            return self._idle.pop()
        if not self.open:
            raise problems.database_unavailable()
        if len(self._waiters) >= self._waiters_max:
            raise problems.overloaded()
        waiter: asyncio.Future[Pipeline] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                return await waiter
        except TimeoutError:
            self._abandon(waiter)
            raise problems.overloaded() from None
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise

    def on_idle(self, line: Pipeline) -> None:
        """Hand a connection with nothing under way to the next one who waits."""
        if self.lane.shares_sync:
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(line)
                return
        self._idle.append(line)

    def _abandon(self, waiter: asyncio.Future[Pipeline]) -> None:
        """Stop waiting; a connection that was handed over in the same moment goes to the next one."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.cancelled() and waiter.exception() is None:
            self.on_idle(waiter.result())
