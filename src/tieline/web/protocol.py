"""uvicorn's HTTP protocol, with limits on the number of connections, on heads, and on slow clients."""

import asyncio
from functools import partial
from typing import cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tieline.settings import Settings
from tieline.web.request import WHOLE_ANSWER, Headers

# The time that a client has to read an answer after which its connection is closed.
LINGER_SECONDS = 2.0
# A client that takes fewer bytes of an answer than this within `stall_seconds_max` counts as gone.
PROGRESS_BYTES = 16_384
CLOSE = ("connection", "close")


class Corked:
    """A transport that joins all that is written in one turn of the event loop into one write.

    uvicorn writes the head and the body of an answer apart; each would be a system call and a packet.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon
        # It is called for each request, and `__getattr__` is slow.
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> object:
        """All else is the transport's own."""
        return getattr(self._transport, name)

    def write_whole(self, data: bytes) -> None:
        """Send now, unless something waits that must go before it."""
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
        """Send what waits, then close."""
        self._uncork()
        self._transport.close()

    def write_eof(self) -> None:
        """Send what waits and close this side; what the client sends can still be read."""
        self._uncork()
        self._transport.write_eof()

    def _uncork(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._transport.write(b"".join(waiting))


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It inherits, against our custom, because uvicorn offers no other way in.

    A refusal here comes before there is a request, so its answer has a status line and no body.
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
        """Expect a first head within its time."""
        super().connection_made(cast(asyncio.Transport, Corked(transport)))
        if len(self.connections) > self.connections_max:
            self._refuse(b"503 Server Unavailable\r\nretry-after: 1")
            return
        self._expect_head()
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Count the bytes that are not a body's: those of heads, of the lines around chunks, and of trailers."""
        if self._lingers:
            return
        if not self._awaits_head and self._is_between_requests():
            self._expect_head()
        self._body_came = False
        super().data_received(data)
        if self._body_came or (self.cycle and not self._awaits_head and not self.cycle.more_body):  # pyright: ignore[reportUnnecessaryComparison]
            self._head_bytes = 0
            return
        # Only now: most heads come in one piece and need no deadline.
        if self._awaits_head and self._deadline is None:
            self._set_deadline()
        self._head_bytes += len(data)
        if self._head_bytes > self.head_bytes_max and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP."""
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
        # The parser appends trailers to this list; they must not pass for headers (RFC 9110, 6.5.1).
        self.headers: list[tuple[bytes, bytes]] = []
        cast(dict[str, object], self.scope)["extensions"] = {WHOLE_ANSWER: partial(self._send_whole, self.cycle)}

    def on_body(self, body: bytes) -> None:
        """Note a piece of the body; the reader counts its bytes. After the answer there is no reader."""
        self._body_came = not self.cycle.response_complete
        super().on_body(body)

    def pause_writing(self) -> None:
        """The client is slow to take its answer: watch that it takes some of it."""
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        """The client has taken most of the answer."""
        self._end_stall()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
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
        # If the answer came before the end of the request's body, the rest of the body counts like a head.
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
        """Tell whether an answer is still due. Then the connection ends after it, since a refusal would pass for it."""
        is_owed = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body  # pyright: ignore[reportUnnecessaryComparison]
        if is_owed:
            self.cycle.keep_alive = False
            self._lingers = True
        return is_owed

    def _close_behind(self) -> None:
        """Close in a way that lets the answer arrive: a socket closed with unread bytes resets the connection."""
        self._lingers = True
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _send_whole(self, cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
        """Send an answer in one piece; False if uvicorn must send it.

        uvicorn matches each header against two patterns and writes head and body apart: a fifteenth of a look-up.
        """
        if cycle.flow.write_paused or cycle.disconnected or cycle.response_started:
            return False
        lines = [f"{name}: {value}" for name, value in headers]
        if CLOSE in headers:
            cycle.keep_alive = False
        elif not cycle.keep_alive or cycle.more_body:
            # The rest of the body stays unread.
            cycle.keep_alive = False
            lines.append("connection: close")
        # No header may contain a line break. uvicorn sends the few with other unprintable characters.
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
