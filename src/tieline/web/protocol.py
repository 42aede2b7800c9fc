"""uvicorn's HTTP protocol, with limits on how much head a client sends and how long it takes."""

import asyncio
import re
from functools import partial
from typing import cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tieline.web.request import WHOLE_ANSWER

# What no line of a head may hold.
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Corked:
    """A transport that sends what is written in one turn of the event loop in one piece.

    uvicorn writes head and body of an answer one by one, and each write would be a system call and a packet.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon
        # Asked for each request; the way by `__getattr__` is long.
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> object:
        """Whatever else a transport does."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send at the end of this turn."""
        if not self._waiting:
            self._call_soon(self._uncork)
        self._waiting.append(data)

    def close(self) -> None:
        """Close behind what waits."""
        self._uncork()
        self._transport.close()

    def _uncork(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._transport.write(b"".join(waiting))


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It inherits, against our custom, because that is the one way in that uvicorn has.

    What it refuses never becomes a request, so the answers are plain.
    """

    head_bytes_max = 0
    head_seconds_max = 0.0

    _head_bytes = 0
    _awaits_head = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Wait for a first head, but not for ever."""
        super().connection_made(cast(asyncio.Transport, Corked(transport)))
        self._expect_head()
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that has not ended."""
        if not self._awaits_head and self._is_between_requests():
            self._expect_head()
        super().data_received(data)
        if not self._awaits_head:
            return
        # Most heads come in one piece, and then there is no deadline to set and to end.
        if self._deadline is None:
            self._set_deadline()
        self._head_bytes += len(data)
        if self._head_bytes > self.head_bytes_max and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """The head has ended in time."""
        self._awaits_head = False
        self._end_deadline()
        super().on_headers_complete()
        cast(dict[str, object], self.scope)["extensions"] = {WHOLE_ANSWER: partial(_send_whole, self.cycle)}

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._end_deadline()
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        return self.cycle is None or not self.cycle.more_body  # pyright: ignore[reportUnnecessaryComparison]

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._awaits_head = True

    def _set_deadline(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self.head_seconds_max, self._give_up)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self._end_deadline()
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()


def _send_whole(cycle: RequestResponseCycle, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
    """Send an answer in one piece; False if it must go the usual way.

    uvicorn looks at each header with two patterns and writes head and body apart: a seventh of a look-up.
    """
    if cycle.flow.write_paused or cycle.disconnected or cycle.response_started:
        return False
    lines = [b"%b: %b" % header for header in (*cycle.default_headers, *headers)]
    if not cycle.keep_alive:
        lines.append(b"connection: close")
    if CONTROL.search(b"\t".join(lines)):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"%b%b\r\n\r\n%b" % (STATUS_LINE[status], b"\r\n".join(lines), body))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def bounded_protocol(head_bytes_max: int, head_seconds_max: float) -> type[asyncio.Protocol]:
    """The protocol with these limits; uvicorn makes an instance of it for each connection."""
    limits = {"head_bytes_max": head_bytes_max, "head_seconds_max": head_seconds_max}
    return type("LimitedProtocol", (BoundedProtocol,), limits)
