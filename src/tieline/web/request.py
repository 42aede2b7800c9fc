"""A request as handlers see it: decoded once, its body read when asked for."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import IO, Any

from tieline import problems
from tieline.web.face import Face

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Names in lower case, and values.
Headers = list[tuple[str, str]]
# Status, headers and body; whether the answer went out.
SendWhole = Callable[[int, Headers, bytes], bool]
# Our extension of ASGI, under which `web/protocol.py` offers a SendWhole.
WHOLE_ANSWER = "tieline.whole_answer"


class Request:
    """What came over the wire, and what is known of it so far (for the log and for Server-Timing)."""

    __slots__ = (
        "_body_seconds_max",
        "_first_headers",
        "_receive",
        "actor",
        "client",
        "company_id",
        "face",
        "headers",
        "id",
        "method",
        "parameters",
        "path",
        "query",
        "rate_headers",
        "route",
        "scheme",
        "send_whole",
        "timings",
    )

    def __init__(self, scope: Scope, receive: Receive, body_seconds_max: float) -> None:
        """Take over an ASGI scope of type http."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        # In order, names in lower case, as ASGI gives them.
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._first_headers = dict(reversed(self.headers))
        self.scheme: str = scope.get("scheme", "http")
        # What the log and the history know it by: the client's own id for it, or one of ours.
        self.id = ""
        # Those of the endpoint, once it is known.
        self.face: Face | None = None
        self.route = ""
        self.parameters: dict[str, str] = {}
        self.company_id: str | None = None
        self.actor: str | None = None
        # Seconds by the name that Server-Timing gives them.
        self.timings: dict[str, float] = {}
        # What the rate limit tells the client, once it is known who calls.
        self.rate_headers: tuple[tuple[str, str], ...] = ()
        # The client's address, for those who are not known.
        client: tuple[str, int] | None = scope.get("client")
        self.client = client[0] if client else ""
        # A shorter way for an answer in one piece, where the server has one. Out of the scope, to which it leads back:
        # such circles are only undone by the collector, and that holds up everybody for milliseconds.
        self.send_whole: SendWhole | None = scope.get("extensions", {}).pop(WHOLE_ANSWER, None)
        self._receive = receive
        self._body_seconds_max = body_seconds_max

    def header(self, name: bytes) -> str | None:
        """The first header of this lower-case name; bytes that are no text stand for themselves."""
        value = self._first_headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def body(self, bytes_max: int) -> bytes:
        """The whole body.

        Raises:
            Problem: it is longer than `bytes_max` (known from its length before any of it is read, if it says so), or
                takes too long to come.
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
        """The whole body into a file. Each piece of it may take as long as a whole body otherwise.

        Raises:
            Problem: it is longer than `bytes_max`, or a piece takes too long to come.
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
        """Wait for the client to close the connection; only behind the body."""
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
    """The client closed the connection before its request was complete; there is nobody to answer."""
