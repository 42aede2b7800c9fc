"""The log: one line for each outcome, a sentence with fields, never a secret."""

import asyncio
import atexit
import logging
import sys
from datetime import UTC, datetime
from typing import BinaryIO, Literal

import msgspec
import structlog

from tieline.web.request import Request

log = structlog.stdlib.get_logger()

FLUSH_SECONDS = 0.05
WAITING_LINES_MAX = 500


class Lines:
    """A file of lines that is written a few times a second: a write for each line would cost a tenth of a look-up.

    Lines that wait are written at the end of the process too; only `kill -9` loses them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: list[bytes] = []
        self._is_scheduled = False
        atexit.register(self._write_out)

    def write(self, line: bytes) -> None:
        """Take a line; it is in the file within FLUSH_SECONDS, or at once where no event loop runs."""
        self._waiting.append(line)
        if len(self._waiting) >= WAITING_LINES_MAX:
            self._write_out()
        elif not self._is_scheduled:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self._write_out()
                return
            self._is_scheduled = True
            loop.call_later(FLUSH_SECONDS, self._write_out)

    def flush(self) -> None:
        """Do nothing: structlog asks for it after each line."""

    def _write_out(self) -> None:
        self._is_scheduled = False
        waiting, self._waiting = self._waiting, []
        self._file.write(b"".join(waiting))
        self._file.flush()


class RequestLine(msgspec.Struct):
    """The line of a request, with the fields that structlog's processors would give it."""

    method: str
    route: str
    status: int
    duration_ms: float
    company: str | None
    key_id: str | None
    request_id: str
    timestamp: datetime
    event: str = "A request was answered."
    level: str = "info"


class RequestLog:
    """The lines of requests. In JSON they go straight to the file; structlog would cost a twentieth of a look-up."""

    def __init__(self) -> None:
        self._lines: Lines | None = None
        self._encoder = msgspec.json.Encoder()

    def write_to(self, lines: Lines | None) -> None:
        """Write to this file from now on; None: through structlog."""
        self._lines = lines

    def write(self, line: RequestLine) -> None:
        """Write the line of a request."""
        if self._lines is not None:
            self._lines.write(self._encoder.encode(line) + b"\n")
        else:
            fields = msgspec.structs.asdict(line)
            del fields["level"], fields["timestamp"]
            log.info(fields.pop("event"), **fields)


_requests = RequestLog()


def configure(form: Literal["json", "console"]) -> None:
    """Log to stderr, as JSON lines or as text for people. Libraries log warnings and errors only."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        renderers: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ]
        lines = Lines(sys.stderr.buffer)
        _requests.write_to(lines)
        factory = structlog.BytesLoggerFactory(lines)  # pyright: ignore[reportArgumentType]
        structlog.configure(
            [*shared, *renderers],
            structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=factory,
            cache_logger_on_first_use=True,
        )
    else:
        _requests.write_to(None)
        structlog.configure(
            [
                *shared,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    # The other formatters print local variables, which may contain keys.
                    exception_formatter=structlog.dev.plain_traceback,
                ),
            ],
            structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
    _take_over_libraries(shared, form)


def _take_over_libraries(shared: list[structlog.typing.Processor], form: Literal["json", "console"]) -> None:
    """Give the log lines of libraries the form of ours, so that one parser reads all."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        render: list[structlog.typing.Processor] = [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_as_text),
        ]
        chain = [*shared, structlog.stdlib.add_logger_name]
        handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=render, foreign_pre_chain=chain))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def request_answered(request: Request, status: int, seconds: float) -> None:
    """Write the line of a request, with its route instead of its path, which may contain ids."""
    _requests.write(
        RequestLine(
            request.method,
            request.route,
            status,
            round(seconds * 1000, 3),
            request.company_id,
            request.actor,
            request.id,
            datetime.now(UTC),
        )
    )


def _as_text(event: object, **_: object) -> str:
    return _as_json(event).decode()


def _as_json(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
