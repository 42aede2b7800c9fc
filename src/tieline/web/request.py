"""A request as handlers see it. Its body is read when a handler asks for it."""

import asyncio
from collections.abc import Callable
from typing import IO

from tieline import problems
from tieline.web.asgi import Scope
from tieline.web.face import Face
from tieline.web.in_flight import Flight

# Names in lower case, and values.
Headers = list[tuple[str, str]]
# Takes status, headers and body; tells whether it sent them.
SendWhole = Callable[[int, Headers, bytes], bool]
# The key in ASGI's extensions under which protocol.py offers a SendWhole.
WHOLE_ANSWER = "tieline.whole_answer"
# The key in ASGI's scope under which protocol.py notes that the address was longer, and was cut.
CUT_ADDRESS = "tieline.cut_address"


class Request:
    """A request as it came over the wire, and what is known of its caller and its endpoint so far."""

    __slots__ = (
        "_body_seconds_max",
        "_first_headers",
        "_receive",
        "actor",
        "client",
        "company_id",
        "face",
        "flight",
        "headers",
        "id",
        "is_cut",
        "method",
        "parameters",
        "party",
        "path",
        "query",
        "rate_headers",
        "route",
        "scheme",
        "send_whole",
        "timings",
    )

    def __init__(self, scope: Scope, flight: Flight, body_seconds_max: float) -> None:
        """Take over an ASGI scope of type http."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        # The address was too long, and this is only the beginning of it.
        self.is_cut: bool = scope.get(CUT_ADDRESS, False)
        # As ASGI gives them: in order, with names in lower case.
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._first_headers = dict(reversed(self.headers))
        self.scheme: str = scope.get("scheme", "http")
        # The id in the log and in the history: the client's own, or one of ours.
        self.id = ""
        # Those of the endpoint, once it is known.
        self.face: Face | None = None
        self.route = ""
        self.parameters: dict[str, str] = {}
        self.company_id: str | None = None
        self.actor: str | None = None
        # Seconds by their names in Server-Timing.
        self.timings: dict[str, float] = {}
        # The headers of the rate limit, once the caller is known.
        self.rate_headers: tuple[tuple[str, str], ...] = ()
        # The client's address; failed logins count against it.
        client: tuple[str, int] | None = scope.get("client")
        self.client = client[0] if client else ""
        # Who takes places before the caller is known. The empty one would be the service itself.
        self.party = self.client or "unknown"
        # A faster way to send an answer in one piece, if the server offers one. It is taken out of the scope, since it
        # refers to the scope: only the garbage collector undoes such circles, and it stops everything for milliseconds.
        self.send_whole: SendWhole | None = scope.get("extensions", {}).pop(WHOLE_ANSWER, None)
        self.flight = flight
        self._receive = flight.receive
        self._body_seconds_max = body_seconds_max

    def header(self, name: bytes) -> str | None:
        """The first header of this lower-case name, decoded byte by byte (latin-1)."""
        value = self._first_headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def body(self, bytes_max: int) -> bytes:
        """The whole body.

        Raises:
            Problem: the body is longer than `bytes_max`, or takes too long to come. If Content-Length tells the
                length, nothing is read.
        """
        announced = self.header(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > bytes_max:
            raise problems.payload_too_large(bytes_max)
        try:
            async with asyncio.timeout(self._body_seconds_max):
                return await self._read(bytes_max)
        except TimeoutError:
            raise problems.body_too_slow(self._body_seconds_max) from None

    async def spool(self, file: IO[bytes], bytes_max: int) -> None:
        """Write the whole body to a file. The time limit of a body holds for each piece of it.

        Raises:
            Problem: the body is longer than `bytes_max`, or a piece takes too long to come.
        """
        left = bytes_max
        more = True
        while more:
            try:
                async with asyncio.timeout(self._body_seconds_max):
                    message = await self._receive()
            except TimeoutError:
                raise problems.body_too_slow(self._body_seconds_max) from None
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            left -= file.write(message.get("body", b""))
            more = message.get("more_body", False)
            if left < 0:
                raise problems.payload_too_large(bytes_max)

    async def until_gone(self) -> None:
        """Wait until the client closes the connection. Call it after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _read(self, bytes_max: int) -> bytes:
        chunks: list[bytes] = []
        length = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk: bytes = message.get("body", b"")
            length += len(chunk)
            if length > bytes_max:
                raise problems.payload_too_large(bytes_max)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks) if len(chunks) > 1 else chunk


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete, so there is nobody to answer."""
