"""The connections of clients to this process: how many there may be, and which of them make way for new ones.

A connection that waits for its client, with half a head or between two requests, costs memory and nothing else. When
there are too many, one of these makes way, so that a new client is always heard. A connection with a request under way
is never closed for another.
"""

from collections import Counter, OrderedDict
from enum import Enum, IntEnum, auto
from typing import Protocol

from tieline.settings import Settings
from tieline.wire.networks import is_in, place_of

# Beyond the limit, so many more connections are taken for questions about the service's health.
HEALTH_CONNECTIONS = 50
# So many are looked at to find one that makes way.
LOOKED_AT_MAX = 64
# So many connections that were refused are open for a little longer.
LINGERING_MAX = 200


class Waits(IntEnum):
    """Why a connection has no request under way."""

    SILENT = 0
    """It has not sent anything yet."""
    HALF = 1
    """It has sent half a head."""
    IDLE = 2
    """It has asked, and may ask again. Some of these have a request under way: they are told apart when needed."""
    ENDED = 3
    """It has its last answer, and is open for a little longer so that this arrives."""


class Welcome(Enum):
    """How a new connection is received."""

    REFUSED = auto()
    FOR_HEALTH = auto()
    FOR_ALL = auto()


class Connection(Protocol):
    """A connection, as far as the others are concerned."""

    @property
    def is_idle(self) -> bool:
        """No request is under way."""
        ...

    def was_heard(self) -> bool:
        """Tell if it has asked since this was called for the last time."""
        ...

    def make_way(self) -> None:
        """End now."""
        ...


class Crowd:
    """All connections of this process."""

    def __init__(self, settings: Settings) -> None:
        self._connections_max = settings.connections_max
        self._per_address_max = settings.connections_per_address_max
        self._bytes_max = settings.heads_bytes_max
        self._proxies = settings.proxies
        self._addresses: Counter[str] = Counter()
        # Each in the order in which they began to wait.
        self._waiting: list[OrderedDict[Connection, None]] = [OrderedDict() for _ in Waits]
        self._size = 0
        self._bytes = 0
        self._lingering = 0

    def enter(self, address: str) -> Welcome:
        """Count a new connection from a place, and say how it is received."""
        place = place_of(address)
        self._size += 1
        self._addresses[place] += 1
        if self._addresses[place] > self._per_address_max and not is_in(address, self._proxies):
            return Welcome.REFUSED
        if self._size <= self._connections_max or self._make_way():
            return Welcome.FOR_ALL
        return Welcome.FOR_HEALTH if self._size <= self._connections_max + HEALTH_CONNECTIONS else Welcome.REFUSED

    def leave(self, address: str, *, lingered: bool) -> None:
        """A connection from a place has ended. `lingered`: it was allowed to."""
        self._lingering -= lingered
        place = place_of(address)
        self._size -= 1
        self._addresses[place] -= 1
        if not self._addresses[place]:
            del self._addresses[place]

    def wait(self, connection: Connection, why: Waits, before: Waits | None) -> None:
        """A connection waits for its client from now on. `before`: why it did so far."""
        self.go_on(connection, before)
        self._waiting[why][connection] = None

    def go_on(self, connection: Connection, before: Waits | None) -> None:
        """A connection does not wait any more: a request is under way, or it has ended."""
        if before is not None:
            self._waiting[before].pop(connection, None)

    @property
    def has_room(self) -> bool:
        """True while the heads need no more memory than they may."""
        return self._bytes <= self._bytes_max

    def hold(self, more: int) -> None:
        """So much more memory is held by heads that have not ended or wait behind others; half ones make way for it."""
        self._bytes += more
        while more > 0 and not self.has_room and self._waiting[Waits.HALF]:
            next(iter(self._waiting[Waits.HALF])).make_way()

    def may_linger(self) -> bool:
        """Tell if one more connection may stay after its last answer, so that the answer arrives."""
        self._lingering += 1
        if self._lingering > LINGERING_MAX:
            self._lingering -= 1
            return False
        return True

    def _make_way(self) -> bool:
        """End one that has waited long, of the kind that most are of: floods are of one kind."""
        for waiting in sorted(self._waiting, key=len, reverse=True):
            one = _oldest(waiting)
            if one is not None:
                one.make_way()
                return True
        return False


def _oldest(waiting: OrderedDict[Connection, None]) -> Connection | None:
    """One that waits for a long time, of the first ones. Those that do not wait, or have just asked, go to the end."""
    first: Connection | None = None
    for _ in range(min(len(waiting), LOOKED_AT_MAX)):
        one = next(iter(waiting))
        if one.is_idle:
            first = first or one
            if not one.was_heard():
                return one
        waiting.move_to_end(one)
    return first
