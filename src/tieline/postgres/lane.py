"""A lane: connections that are alike, and the rule by which a statement gets one of them.

Look-ups by a whole key share connections. All other statements have a connection to themselves while they run: in a
shared one, a statement of seconds would hold up every look-up behind it. Companies share the connections of a lane by
the rule of places.py, so that the statements of one never hold all of them.
"""

from collections import deque
from dataclasses import dataclass, field

from tieline import problems
from tieline.places import Places
from tieline.postgres.pipeline import Pipeline
from tieline.settings import Settings

# The names of the lanes that every server has.
POINT = "point"
SINGLE = "single"
# Keys and tokens, and what health asks: no statement of a client enters.
AUTH = "auth"


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
        Lane(AUTH, dsn, settings.auth_connections, settings.lookup_timeout_ms, shares_sync=True),
        Lane(SINGLE, dsn, settings.statement_connections, settings.statement_timeout_ms, shares_sync=False),
    )


class Lines:
    """The open connections of a lane, and the statements that wait for one."""

    def __init__(self, lane: Lane, settings: Settings) -> None:
        self.lane = lane
        self.open: list[Pipeline] = []
        self._idle: deque[Pipeline] = deque()
        # The company that runs a statement on a connection alone.
        self._alone: dict[Pipeline, str] = {}
        self._places_of_line = settings.lookups_per_connection_max if lane.shares_sync else 1
        self._places = Places(
            0,
            settings.company_share_percent,
            # Look-ups take no time: all that may be under way may wait.
            waiters_max=settings.requests_in_flight_max if lane.shares_sync else settings.connection_waiters_max,
            wait_seconds_max=settings.connection_wait_ms / 1000,
        )

    @property
    def waiting(self) -> int:
        """The number of statements that wait for a connection."""
        return self._places.waiting

    def add(self, line: Pipeline) -> None:
        """Use a new connection."""
        self.open.append(line)
        if not self.lane.shares_sync:
            self._idle.append(line)
        self._places.add(self._places_of_line)

    def remove(self, line: Pipeline) -> None:
        """Forget a connection that has ended. If none is left, those who wait are told that the database is away."""
        if line in self.open:
            self.open.remove(line)
            if line in self._alone:
                self._places.lose_held(self._alone.pop(line))
            else:
                self._places.lose(self._places_of_line)
        if line in self._idle:
            self._idle.remove(line)
        if not self.open:
            self._places.send_away(problems.database_unavailable)

    def take_now(self, party: str) -> Pipeline | None:
        """A connection for a statement of this party, if there is one for it.

        A connection that carries many statements needs `give_back` when this one has ended.

        Raises:
            Problem: 503, there is none.
        """
        return self._line(party) if self._places.take_now(party) else None

    async def take(self, party: str) -> Pipeline:
        """The same, when its turn has come.

        Raises:
            Problem: 503, too many wait, none became free in time, or there is none.
        """
        if not self.open:
            raise problems.database_unavailable()
        await self._places.take(party)
        return self._line(party)

    def give_back(self, party: str) -> None:
        """A statement has ended on a connection that carries many."""
        self._places.give_back(party)

    def on_idle(self, line: Pipeline) -> None:
        """Hand a connection with nothing under way to the next one who waits."""
        if not self.lane.shares_sync:
            self._idle.append(line)
            self._places.give_back(self._alone.pop(line))

    def _line(self, party: str) -> Pipeline:
        """A connection for a place that the party has taken."""
        line = self._shared() if self.lane.shares_sync else self._idle.pop() if self._idle else None
        if line is None:
            # The last one ended after the turn had come.
            self._places.give_back(party)
            raise problems.database_unavailable()
        if not self.lane.shares_sync:
            self._alone[line] = party
        return line

    def _shared(self) -> Pipeline | None:
        """The connection for a look-up: the one that gathers those of this turn of the loop, else the least busy."""
        if not self.open:
            return None
        chosen = self.open[0]
        for line in self.open:
            if line.gathers:
                return line
            if line.in_flight < chosen.in_flight:
                chosen = line
        return chosen
