"""Requests in flight: whose they are, and if they wait for their client.

A request is in flight from when it asks the database who sent it, or its caller is known, to its answer. While its body
is on its way it is not: thousands that never send theirs must not stand in the way of those that did.
"""

from tieline import problems
from tieline.places import Places
from tieline.settings import Settings
from tieline.web.asgi import Message, Receive


class InFlight:
    """The requests of this process. Each company, and each address before the caller is known, may have a share."""

    def __init__(self, settings: Settings) -> None:
        percent = settings.company_share_percent
        self.working = Places(settings.requests_in_flight_max, percent)
        self.awaiting_body = Places(settings.connections_max, percent)


class Flight:
    """One request. `receive` is ASGI's, and notes when the request waits for its body."""

    __slots__ = ("_has_body", "_in_flight", "_party", "_places", "_receive")

    def __init__(self, in_flight: InFlight, receive: Receive) -> None:
        self._in_flight = in_flight
        self._receive = receive
        self._party = ""
        self._places: Places | None = None
        self._has_body = False

    def begin(self, party: str) -> None:
        """Count the request as this party's from now on.

        Raises:
            Problem: 503, too many requests are in flight, or too many of this party.
        """
        if self._places is not None:
            if self._party == party:
                return
            self.end()
        working = self._in_flight.working
        if not working.take_now(party):
            raise problems.too_busy()
        self._places, self._party = working, party

    def end(self) -> None:
        """The request has its answer."""
        if self._places is not None:
            self._places.give_back(self._party)
            self._places = None

    async def receive(self) -> Message:
        """The next message of the client; the request waits until its body has come."""
        if self._has_body or self._places is None:
            return await self._receive()
        if self._places is self._in_flight.working:
            self._move(self._in_flight.awaiting_body)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._has_body = True
            self._move(self._in_flight.working)
        return message

    def _move(self, places: Places) -> None:
        self.end()
        if not places.take_now(self._party):
            raise problems.too_busy()
        self._places = places
