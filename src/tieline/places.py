"""Places that companies share, such as connections and requests in flight: who may take one, and who is next.

A company takes a place at once if there is one for it. Otherwise it waits in a queue of its own, and the companies that
wait are served in turn: those who ask much wait behind themselves and hold up nobody else.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from itertools import takewhile

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
        # Each with the time at which it gives up.
        self._parties: OrderedDict[str, OrderedDict[Waiter, float]] = OrderedDict()
        self.length = 0

    def length_of(self, party: str) -> int:
        """The number of this party's requests that wait."""
        return len(self._parties.get(party, ()))

    def add(self, party: str, waiter: Waiter, deadline: float = math.inf) -> None:
        """Wait behind the others of the party; give up at that time of the loop."""
        self._parties.setdefault(party, OrderedDict())[waiter] = deadline
        self.length += 1

    def remove(self, party: str, waiter: Waiter) -> bool:
        """Stop waiting; False if it does not wait any more."""
        waiters = self._parties.get(party)
        if waiters is None or waiters.pop(waiter, None) is None:
            return False
        self._forget_if_empty(party)
        self.length -= 1
        return True

    def late(self, now: float) -> list[tuple[str, Waiter]]:
        """Those who should have given up by now."""
        return [
            (party, waiter)
            for party, waiters in self._parties.items()
            for waiter in takewhile(lambda one, waiters=waiters: waiters[one] <= now, waiters)
        ]

    def first_deadline(self) -> float | None:
        """The time at which the next one gives up."""
        return min((next(iter(waiters.values())) for waiters in self._parties.values()), default=None)

    def parties(self) -> list[str]:
        """Those who wait; the one whose turn is next comes first."""
        return list(self._parties)

    def first(self, party: str) -> Waiter:
        """The first one of a party, which stays where it is."""
        return next(iter(self._parties[party]))

    def pop(self, party: str) -> Waiter:
        """The first one of a party, which was its turn: the party goes behind the others."""
        waiter, _ = self._parties[party].popitem(last=False)
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
        # One timer for all who wait: one for each would cost as much as the rest of a look-up's way through the queue.
        self._watch: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """The number of all that wait."""
        return self._queue.length

    @property
    def taken(self) -> int:
        """The number of places that are taken."""
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
        loop = asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        queue.add(party, waiter, loop.time() + self._wait_seconds_max)
        if self._watch is None:
            self._watch = loop.call_later(self._wait_seconds_max, self._send_away_late)
        try:
            await waiter
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

    def _send_away_late(self) -> None:
        """Tell those who have waited too long, and look again when the next one will have."""
        loop = asyncio.get_running_loop()
        for party, waiter in self._queue.late(loop.time()):
            if self._queue.remove(party, waiter) and not waiter.done():
                waiter.set_exception(problems.overloaded())
        following = self._queue.first_deadline()
        self._watch = None if following is None else loop.call_at(following, self._send_away_late)

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
