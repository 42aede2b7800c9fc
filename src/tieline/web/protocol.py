"""uvicorn's HTTP protocol, with limits on the number of connections, on heads, and on slow clients."""

import asyncio
from functools import partial
from secrets import token_hex
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tieline import problems
from tieline.problems import Problem
from tieline.settings import Settings
from tieline.web import respond
from tieline.web.corked import Corked
from tieline.web.crowd import Crowd, Waits, Welcome
from tieline.web.request import CUT_ADDRESS, WHOLE_ANSWER, Headers
from tieline.web.routes import HEALTH
from tieline.web.unread import Unread

# The time that a client has to read an answer after which its connection is closed.
LINGER_SECONDS = 2.0
# Head and body of a longer answer are written apart, rather than copied into one text.
JOINED_BYTES_MAX = 65_536
CLOSE = ("connection", "close")
# The parser of addresses takes no longer ones.
ADDRESS_BYTES_MAX = 65_535
# Roughly the memory of a header beside its bytes, and of a request that came before the answer to the one before it.
HEADER_MEMORY = 150
QUEUED_MEMORY = 4_000
# The most requests that may be sent before the first of them has its answer.
QUEUED_MAX = 100


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It inherits, against our custom, because uvicorn offers no other way in.

    A refusal here comes before there is a request, so it is in no log.
    """

    head_bytes_max = 0
    head_seconds_max = 0.0
    address_bytes_max = 0
    header_bytes_max = 0
    headers_max = 0
    shutdown_seconds = 0.0
    crowd: ClassVar[Crowd]
    unread: ClassVar[Unread]

    _address = ""
    _welcome = Welcome.REFUSED
    # Why the connection waits for its client, if no request is under way.
    _waits: Waits | None = None
    _has_asked = False
    # The memory that is counted for it in the crowd.
    _held = 0
    _head_bytes = 0
    _awaits_head = False
    _lingers = False
    _has_lingered = False
    _body_came = False
    # An answer was given whose client is slow to take it: only when it has does the next request begin.
    _is_answer_unread = False
    # The reason for which the parser was stopped.
    _problem: Problem | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Expect a first head within its time."""
        super().connection_made(cast(asyncio.Transport, Corked(transport)))
        self.url = b""
        self._address = self.client[0] if self.client else ""
        self._welcome = self.crowd.enter(self._address)
        if self._welcome is Welcome.REFUSED:
            self._refuse(problems.too_many_connections())
            return
        self._expect_head()
        self._wait(Waits.SILENT)
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
        self._bound_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser, or the reader of heads, has not taken."""
        del msg
        self._refuse(self._problem or problems.bad_request("The request is not HTTP/1.1 that can be read."))

    def on_message_begin(self) -> None:
        """A head begins, maybe behind another one."""
        super().on_message_begin()
        if not self._awaits_head:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head has ended in time."""
        self._awaits_head = False
        self._has_asked = True
        self._end_deadline()
        if self._held:
            self._hold(0)
        assert self.parser is not None, "it has just called"
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise ValueError("RFC 9112, 3.2: one Host, or the request is refused")
        if self._welcome is Welcome.FOR_HEALTH and self.url.partition(b"?")[0] not in HEALTH:
            self._problem = problems.too_many_connections()
            raise ValueError("there is no room for it")
        if self.pipeline and (len(self.pipeline) >= QUEUED_MAX or not self.crowd.has_room):
            raise ValueError("too many requests wait for the answer to the one before them")
        if len(self.url) > self.address_bytes_max:
            # It is answered like all that are too long: with 414, by the application.
            self.url = self.url[: self.address_bytes_max]
            cast(dict[str, object], self.scope)[CUT_ADDRESS] = True
        if self._waits is not Waits.IDLE:
            self._wait(Waits.IDLE)
        super().on_headers_complete()
        if self.pipeline:
            self._hold(QUEUED_MEMORY * len(self.pipeline))
        # The parser appends trailers to this list; they must not pass for headers (RFC 9110, 6.5.1).
        self.headers: list[tuple[bytes, bytes]] = []
        cast(dict[str, object], self.scope)["extensions"] = {WHOLE_ANSWER: partial(self._send_whole, self.cycle)}

    def on_response_complete(self) -> None:
        """An answer is on its way; begin the request behind it, or wait for the next."""
        if self.flow.write_paused and not self.transport.is_closing():
            self._is_answer_unread = True
            return
        super().on_response_complete()
        if self._held:
            self._hold(QUEUED_MEMORY * len(self.pipeline))

    @property
    def is_idle(self) -> bool:
        """No request is under way, and the client has taken its last answer."""
        cycle = cast(RequestResponseCycle | None, self.cycle)
        return cycle is None or self._has_lingered or (cycle.response_complete and not self.flow.write_paused)

    def was_heard(self) -> bool:
        """Tell if it has asked since this was called for the last time."""
        has_asked, self._has_asked = self._has_asked, False
        return has_asked

    def make_way(self) -> None:
        """End now, since another connection needs the place."""
        if self._waits is Waits.HALF:
            self._say(problems.too_many_connections())
        self._go_on()
        self._lingers = True
        self.transport.close()

    def on_body(self, body: bytes) -> None:
        """Note a piece of the body; the reader counts its bytes. After the answer there is no reader."""
        self._body_came = not self.cycle.response_complete
        super().on_body(body)

    def pause_writing(self) -> None:
        """The client is slow to take its answer: no further request of it is read meanwhile."""
        super().pause_writing()
        self.flow.pause_reading()
        self.unread.wait(self.transport)

    def resume_writing(self) -> None:
        """The client has taken most of the answer."""
        self.unread.go_on(self.transport)
        super().resume_writing()
        self.flow.resume_reading()
        if self._is_answer_unread:
            self._is_answer_unread = False
            self.on_response_complete()

    def shutdown(self) -> None:
        """The process ends: requests that have their body end first, and the others get some time for it."""
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            self.loop.call_later(self.shutdown_seconds / 2, self._give_up_body, self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._end_deadline()
        self.unread.go_on(self.transport)
        self._go_on()
        self._hold(0)
        self.crowd.leave(self._address, lingered=self._has_lingered)
        super().connection_lost(exc)

    def _wait(self, why: Waits) -> None:
        self.crowd.wait(self, why, self._waits)
        self._waits = why

    def _go_on(self) -> None:
        self.crowd.go_on(self, self._waits)
        self._waits = None

    def _hold(self, count: int) -> None:
        """Count so much memory for heads from now on."""
        if count != self._held:
            more, self._held = count - self._held, count
            self.crowd.hold(more)

    def _bound_head(self) -> None:
        """Refuse a head that has become too long before its end; if all together have, an older one makes way."""
        if self.transport.is_closing() or self._lingers:
            return
        headers: list[tuple[bytes, bytes]] | None = self.headers
        count = len(headers or ())
        if self._head_bytes > self.head_bytes_max or count > self.headers_max:
            self._refuse(
                problems.address_too_long(self.address_bytes_max)
                if len(self.url) > self.address_bytes_max
                else problems.headers_too_long(self.header_bytes_max, self.headers_max)
            )
            return
        if self._waits is not Waits.HALF and self.is_idle:
            self._wait(Waits.HALF)
        self._hold(self._head_bytes + HEADER_MEMORY * count + QUEUED_MEMORY * len(self.pipeline))

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
            self._refuse(problems.head_too_slow(self.head_seconds_max))

    def _give_up_body(self, cycle: RequestResponseCycle) -> None:
        if cycle.more_body and not cycle.response_started and not self.transport.is_closing():
            self._lingers = True
            self._say(problems.shutting_down())
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        self._end_deadline()
        self._go_on()
        if not self._ends_behind_answer():
            self._say(problem)
            self._close_behind()

    def _say(self, problem: Problem) -> None:
        """Answer with a problem, in the words of the face that the address names as far as it has come."""
        path = self.url.partition(b"?")[0].decode("latin-1")
        answer = respond.rendered(problem, path=path, trace_id=token_hex(12))
        headers = [*answer.headers, ("content-length", str(len(answer.body)))]
        lines = [f"{name}: {value}\r\n" for name, value in headers if (name, value) != CLOSE]
        head = STATUS_LINE[answer.status] + "".join([*lines, "connection: close\r\n\r\n"]).encode("latin-1")
        self.transport.write(head + answer.body)

    def _ends_behind_answer(self) -> bool:
        """Tell whether an answer is still due. Then the connection ends after it, since a refusal would pass for it."""
        cycle = cast(RequestResponseCycle | None, self.cycle)
        is_owed = cycle is not None and not cycle.response_complete and (bool(self.pipeline) or not cycle.more_body)
        if is_owed:
            self.cycle.keep_alive = False
            self._lingers = True
        return is_owed

    def _close_behind(self) -> None:
        """Close in a way that lets the answer arrive: a socket closed with unread bytes resets the connection."""
        self._lingers = True
        if self._has_lingered or self.crowd.may_linger():
            self._has_lingered = True
            self._wait(Waits.ENDED)
            self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

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
        transport = cast(Corked, cycle.transport)
        if len(body) <= JOINED_BYTES_MAX:
            transport.write_whole(b"%b%b%b\r\n\r\n%b" % (STATUS_LINE[status], always, head, body))
        else:
            transport.write_whole(b"%b%b%b\r\n\r\n" % (STATUS_LINE[status], always, head))
            transport.write_whole(body)
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
    BoundedProtocol.header_bytes_max = settings.header_bytes_max
    BoundedProtocol.head_seconds_max = settings.head_timeout_ms / 1000
    BoundedProtocol.address_bytes_max = min(settings.url_bytes_max, ADDRESS_BYTES_MAX)
    BoundedProtocol.headers_max = settings.headers_max
    BoundedProtocol.shutdown_seconds = settings.shutdown_grace_ms / 1000
    BoundedProtocol.crowd = Crowd(settings)
    BoundedProtocol.unread = Unread(settings)
