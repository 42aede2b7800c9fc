"""uvicorn's HTTP protocol, with limits on how many connect, what they send around bodies and how long they take."""

import asyncio
from functools import partial
from typing import cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tieline.settings import Settings
from tieline.web.request import WHOLE_ANSWER, Headers

# How long a client may take to read an answer behind which its connection ends.
LINGER_SECONDS = 2.0
# A client that takes less of an answer than this in the time that it has is taken for gone.
PROGRESS_BYTES = 16_384
CLOSE = ("connection", "close")


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

    def write_whole(self, data: bytes) -> None:
        """Send now, if nothing waits: there is nothing to be joined to it."""
        if self._waiting:
            self._waiting.append(data)
        else:
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Send at the end of this turn."""
        if not self._waiting:
            self._call_soon(self._uncork)
        self._waiting.append(data)

    def close(self) -> None:
        """Close behind what waits."""
        self._uncork()
        self._transport.close()

    def write_eof(self) -> None:
        """Nothing more will be sent behind what waits; what the client sends can still be read."""
        self._uncork()
        self._transport.write_eof()

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
    connections_max = 0
    stall_seconds_max = 0.0

    _head_bytes = 0
    _awaits_head = False
    _lingers = False
    _body_came = False
    _unsent_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Wait for a first head, but not for ever."""
        super().connection_made(cast(asyncio.Transport, Corked(transport)))
        if len(self.connections) > self.connections_max:
            self._refuse(b"503 Server Unavailable\r\nretry-after: 1")
            return
        self._expect_head()
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Count what is no body: heads, and what surrounds chunks, trailers among it."""
        if self._lingers:
            return
        if not self._awaits_head and self._is_between_requests():
            self._expect_head()
        self._body_came = False
        super().data_received(data)
        if self._body_came or (self.cycle and not self._awaits_head and not self.cycle.more_body):  # pyright: ignore[reportUnnecessaryComparison]
            self._head_bytes = 0
            return
        # Most heads come in one piece, and then there is no deadline to set and to end.
        if self._awaits_head and self._deadline is None:
            self._set_deadline()
        self._head_bytes += len(data)
        if self._head_bytes > self.head_bytes_max and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._end_deadline()
        if not self._ends_behind_answer():
            super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        """The head has ended in time."""
        self._awaits_head = False
        self._end_deadline()
        assert self.parser is not None, "it has just called"
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise ValueError("RFC 9112, 3.2: one Host, or the request is refused")
        super().on_headers_complete()
        # What a list of the parser's gets from now on are trailers, which must not pass for headers (RFC 9110, 6.5.1).
        self.headers: list[tuple[bytes, bytes]] = []
        cast(dict[str, object], self.scope)["extensions"] = {WHOLE_ANSWER: partial(self._send_whole, self.cycle)}

    def on_body(self, body: bytes) -> None:
        """A part of the body, which whoever reads it counts; behind the answer that is nobody."""
        self._body_came = not self.cycle.response_complete
        super().on_body(body)

    def pause_writing(self) -> None:
        """The client is slow to take what it asked for; if it takes nothing, that is not for ever."""
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        self._end_stall()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._end_deadline()
        self._end_stall()
        super().connection_lost(exc)

    def _expect_progress(self) -> None:
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._stall = asyncio.get_running_loop().call_later(self.stall_seconds_max, self._end_if_stalled)

    def _end_if_stalled(self) -> None:
        if self.transport.get_write_buffer_size() > self._unsent_bytes - PROGRESS_BYTES:
            self.transport.abort()
        else:
            self._expect_progress()

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _is_between_requests(self) -> bool:
        # Behind an answer that came before the end of its request's body, that rest counts like a head.
        return self.cycle is None or not self.cycle.more_body or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

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
        if not self._ends_behind_answer():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self._close_behind()

    def _ends_behind_answer(self) -> bool:
        """Whether an answer is still to come, for which a refusal would pass; then the connection ends behind that."""
        is_owed = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body  # pyright: ignore[reportUnnecessaryComparison]
        if is_owed:
            self.cycle.keep_alive = False
            self._lingers = True
        return is_owed

    def _close_behind(self) -> None:
        """Close, but so that the answer arrives: a socket closed with unread bytes in it resets the connection."""
        self._lingers = True
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _send_whole(self, cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
        """Send an answer in one piece; False if it must go the usual way.

        uvicorn looks at each header with two patterns and writes head and body apart: about a fifteenth of a look-up.
        """
        if cycle.flow.write_paused or cycle.disconnected or cycle.response_started:
            return False
        lines = [f"{name}: {value}" for name, value in headers]
        if CLOSE in headers:
            cycle.keep_alive = False
        elif not cycle.keep_alive or cycle.more_body:
            # Nobody will read the rest of a body.
            cycle.keep_alive = False
            lines.append("connection: close")
        # No line may hold a line break; what else is not printable is rare enough to go the usual way too.
        if not "".join(lines).isprintable():
            return False
        head = "\r\n".join(lines).encode("latin-1")
        always = b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
        cycle.response_started = cycle.response_complete = True
        cast(Corked, cycle.transport).write_whole(b"%b%b%b\r\n\r\n%b" % (STATUS_LINE[status], always, head, body))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._close_behind()
        cycle.on_response()
        return True


def set_limits(settings: Settings) -> None:
    """The limits of this process's connections.

    On the class itself: uvicorn makes the instances, and passes the class to worker processes by its name.
    """
    BoundedProtocol.head_bytes_max = settings.header_bytes_max + settings.url_bytes_max
    BoundedProtocol.head_seconds_max = settings.head_timeout_ms / 1000
    BoundedProtocol.connections_max = settings.connections_max
    BoundedProtocol.stall_seconds_max = settings.answer_timeout_ms / 1000
