"""A request as handlers see it. Its body is read when a handler asks for it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import IO

import msgspec

from tieline import problems
from tieline.web.asgi import Scope
from tieline.web.bodies import Bodies
from tieline.web.face import Face
from tieline.web.gunzip import BrokenGzipError, Gunzip
from tieline.web.in_flight import Flight
from tieline.wire.integers import DIGITS_MAX

# Names in lower case, and values.
Headers = list[tuple[str, str]]
# Takes status, headers and body; tells whether it sent them.
SendWhole = Callable[[int, Headers, bytes], bool]
# The key in ASGI's extensions under which protocol.py offers a SendWhole.
WHOLE_ANSWER = "tieline.whole_answer"
# The key in ASGI's scope under which protocol.py notes that the address was longer, and was cut.
CUT_ADDRESS = "tieline.cut_address"
GZIP = frozenset({"gzip", "x-gzip"})
# So many pieces are decoded until other requests get their turn.
PIECES_A_TURN = 8


class Pace(msgspec.Struct, frozen=True):
    """The time in which a body must come, and the rate at which each stretch of it must come."""

    seconds_max: float
    bytes_per_second_min: int
    stretch_seconds: float


class Request:
    """A request as it came over the wire, and what is known of its caller and its endpoint so far."""

    __slots__ = (
        "_bodies",
        "_first_headers",
        "_held",
        "_holder",
        "_pace",
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

    def __init__(self, scope: Scope, flight: Flight, bodies: Bodies, pace: Pace) -> None:
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
        self._bodies = bodies
        self._pace = pace
        # The bytes of the body that are counted in `bodies`, for this party.
        self._held, self._holder = 0, ""

    def header(self, name: bytes) -> str | None:
        """The first header of this lower-case name, decoded byte by byte (latin-1)."""
        value = self._first_headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def has_body(self) -> bool:
        """True if a body comes with the request, as far as its head tells."""
        return self.header(b"content-length") not in (None, "0") or self.header(b"transfer-encoding") is not None

    async def body(self, bytes_max: int, setting: str = "body_bytes_max", seconds_max: float | None = None) -> bytes:
        """The whole body. Call it when the caller is known and may do what is asked.

        `setting`: the name of the limit. `seconds_max`: the time for it to come, else the settings'.

        Raises:
            Problem: the body is longer than `bytes_max`, comes too slowly, is compressed in a way that we do not read,
                or finds no room. If Content-Length tells that it is too long, nothing is read.
        """
        if not self.has_body:
            return b""
        pieces: list[bytes] = []
        announced = self.header(b"content-length") or ""
        size = int(announced) if announced.isdigit() and len(announced) <= DIGITS_MAX else 0
        if size > bytes_max or (announced.isdigit() and len(announced) > DIGITS_MAX):
            raise problems.payload_too_large(bytes_max, setting)
        stream = self._stream(seconds_max or self._pace.seconds_max)
        self._holder = self.company_id or self.party
        await self._bodies.take(self._holder, size)
        self._held += size
        length = 0
        async for piece in stream:
            length += len(piece)
            if length > bytes_max:
                raise problems.payload_too_large(bytes_max, setting)
            self._hold(length)
            pieces.append(piece)
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    async def spool(self, file: IO[bytes], bytes_max: int) -> None:
        """Write the whole body to a file. It may take any time, as long as it does not come too slowly.

        Raises:
            Problem: the body is longer than `bytes_max`, comes too slowly, or is compressed in a way that we do not
                read.
        """
        left = bytes_max
        async for piece in self._stream(None):
            left -= file.write(piece)
            if left < 0:
                raise problems.payload_too_large(bytes_max, "import_bytes_max")

    def give_back(self) -> None:
        """The request has ended, and with it the use of its body."""
        if self._held:
            self._bodies.give_back(self._holder, self._held)
            self._held = 0

    def _hold(self, length: int) -> None:
        """Room for a body that is longer than its head has told. It does not wait while it holds some already."""
        if length > self._held:
            if not self._bodies.take_now(self._holder, length - self._held):
                raise problems.bodies_full()
            self._held = length

    async def until_gone(self) -> None:
        """Wait until the client closes the connection. Call it after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _stream(self, seconds_max: float | None) -> AsyncGenerator[bytes]:
        """The body's bytes, without their coding.

        Raises:
            Problem: 415, they have another coding than gzip.
        """
        coding = (self.header(b"content-encoding") or "").strip().lower()
        if coding in {"", "identity"}:
            return self._came(seconds_max)
        if coding not in GZIP:
            raise problems.coding_unknown(coding)
        return self._decoded(seconds_max)

    async def _decoded(self, seconds_max: float | None) -> AsyncGenerator[bytes]:
        gunzip, count = Gunzip(), 0
        try:
            async for came in self._came(seconds_max):
                for piece in gunzip.pieces(came):
                    yield piece
                    count += 1
                    if count % PIECES_A_TURN == 0:
                        await asyncio.sleep(0)
            gunzip.end()
        except BrokenGzipError:
            raise problems.bad_request(
                "The body is not gzip, or it breaks off, and Content-Encoding says gzip."
            ) from None

    async def _came(self, seconds_max: float | None) -> AsyncGenerator[bytes]:
        """The body's bytes as they come.

        Raises:
            Problem: 408, not all is there after `seconds_max`, or a stretch of it came too slowly.
        """
        pace, clock = self._pace, asyncio.get_running_loop().time
        ends_at = clock() + (float("inf") if seconds_max is None else seconds_max)
        stretch_ends_at, count = clock() + pace.stretch_seconds, 0
        while True:
            try:
                async with asyncio.timeout_at(min(ends_at, stretch_ends_at)):
                    message = await self._receive()
            except TimeoutError:
                if clock() >= ends_at:
                    raise problems.body_too_slow(f"did not arrive within {seconds_max:g} s") from None
                message = None
            if message is not None:
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                piece: bytes = message.get("body", b"")
                count += len(piece)
                yield piece
                if not message.get("more_body", False):
                    return
            if clock() >= stretch_ends_at:
                if count < pace.bytes_per_second_min * pace.stretch_seconds:
                    raise problems.body_too_slow(f"came more slowly than {pace.bytes_per_second_min} bytes a second")
                stretch_ends_at, count = clock() + pace.stretch_seconds, 0


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete, so there is nobody to answer."""
