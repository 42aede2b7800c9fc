"""Places that companies share, such as connections and requests in flight: who may take one, and who is next.

A company takes a place at once if there is one for it. Otherwise it waits in a queue of its own, and the companies that
wait are served in turn: those who ask much wait behind themselves and hold up nobody else.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

from tieline import problems
from tieline.problems import Problem

Waiter = asyncio.Future[None]


def has_room(held: int, free: int, percent: int) -> bool:
    """Tell if a party that holds so many places may take one of the free ones.

    It gets at most this percentage of the places that others do not hold, and at least one. So some are free when the
    next party comes, of which it again gets its share only.

    >>> [has_room(held, 8 - held, 75) for held in (5, 6)]
    [True, False]
    >>> has_room(0, 2, 75), has_room(1, 1, 75), has_room(0, 1, 75)
    (True, False, True)
    """
    return free > 0 and (held == 0 or held < (held + free) * percent // 100)


class Queue:
    """Those who wait: the parties in turn, and those of one party in the order in which they came."""

    def __init__(self) -> None:
        self._parties: OrderedDict[str, deque[Waiter]] = OrderedDict()
        self.length = 0

    def length_of(self, party: str) -> int:
        """How many of this party wait."""
        return len(self._parties.get(party, ()))

    def add(self, party: str, waiter: Waiter) -> None:
        """Wait behind the others of the party."""
        self._parties.setdefault(party, deque()).append(waiter)
        self.length += 1

    def remove(self, party: str, waiter: Waiter) -> bool:
        """Stop waiting; False if it does not wait any more."""
        waiters = self._parties.get(party)
        if waiters is None or waiter not in waiters:
            return False
        waiters.remove(waiter)
        self._forget_if_empty(party)
        self.length -= 1
        return True

    def parties(self) -> list[str]:
        """Those who wait; the one whose turn is next comes first."""
        return list(self._parties)

    def first(self, party: str) -> Waiter:
        """The first one of a party, which stays where it is."""
        return self._parties[party][0]

    def pop(self, party: str) -> Waiter:
        """The first one of a party, which was its turn: the party goes behind the others."""
        waiter = self._parties[party].popleft()
        self._parties.move_to_end(party)
        self._forget_if_empty(party)
        self.length -= 1
        return waiter

    def _forget_if_empty(self, party: str) -> None:
        if not self._parties[party]:
            del self._parties[party]


class Places:
    """So many places of one kind. Those of the service itself, whose party is "", may all be taken."""

    def __init__(self, free: int, share_percent: int, *, waiters_max: int = 0, wait_seconds_max: float = 0) -> None:
        """`share_percent`: of the places, and of those who may wait, that one party gets."""
        self._free = free
        self._share_percent = share_percent
        self._waiters_max = waiters_max
        self._wait_seconds_max = wait_seconds_max
        self._held: dict[str, int] = {}
        self._queue = Queue()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._queue.length

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return sum(self._held.values())

    def take_now(self, party: str) -> bool:
        """Take a place if there is one for this party."""
        held, free = self._held.get(party, 0), self._free
        if not has_room(held, free, self._share_percent if party else 100):
            return False
        self._free = free - 1
        self._held[party] = held + 1
        return True

    async def take(self, party: str) -> None:
        """Take a place; wait for it if need be.

        Raises:
            Problem: 503, too many wait, or none became free in time.
        """
        if self.take_now(party):
            return
        queue, percent = self._queue, self._share_percent if party else 100
        if not has_room(queue.length_of(party), self._waiters_max - queue.length, percent):
            raise problems.overloaded()
        waiter: Waiter = asyncio.get_running_loop().create_future()
        queue.add(party, waiter)
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await waiter
        except TimeoutError:
            self._abandon(party, waiter)
            raise problems.overloaded() from None
        except asyncio.CancelledError:
            self._abandon(party, waiter)
            raise

    def give_back(self, party: str) -> None:
        """Leave a place; those who wait get it."""
        self.lose_held(party)
        self._free += 1
        if self._queue.length:
            self._hand_on()

    def add(self, count: int) -> None:
        """There are so many more free places."""
        self._free += count
        if self._queue.length:
            self._hand_on()

    def lose(self, count: int) -> None:
        """So many free places are no more. If there are fewer, those that are left next do not become free."""
        self._free -= count

    def lose_held(self, party: str) -> None:
        """A place that the party held is no more."""
        left = self._held[party] - 1
        if left:
            self._held[party] = left
        else:
            del self._held[party]

    def send_away(self, why: Callable[[], Problem]) -> None:
        """Tell all who wait that they will get no place."""
        for party in self._queue.parties():
            while self._queue.length_of(party):
                waiter = self._queue.pop(party)
                if not waiter.done():
                    waiter.set_exception(why())

    def _hand_on(self) -> None:
        """Give the free places to those who wait and have room, one each, until there is nobody any more."""
        while self._free > 0 and any(map(self._hand_to, self._queue.parties())):
            pass

    def _hand_to(self, party: str) -> bool:
        while self._queue.length_of(party) and self.take_now(party):
            waiter = self._queue.pop(party)
            if not waiter.done():
                waiter.set_result(None)
                return True
            self.lose_held(party)
            self._free += 1
        return False

    def _abandon(self, party: str, waiter: Waiter) -> None:
        """Stop waiting; a place that was handed over in the same moment goes to the next one."""
        if not self._queue.remove(party, waiter) and not waiter.cancelled() and waiter.exception() is None:
            self.give_back(party)
