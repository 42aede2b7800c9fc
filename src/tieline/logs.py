"""What goes into the log: one line for each outcome, a sentence with fields, never a secret."""

import asyncio
import atexit
import logging
import sys
from typing import BinaryIO, Literal

import msgspec
import structlog

from tieline.web.request import Request

log = structlog.stdlib.get_logger()

FLUSH_SECONDS = 0.05
WAITING_LINES_MAX = 500


class Lines:
    """A file of whole lines that is written to a few times a second: a write for each costs a tenth of a look-up.

    What waits is written at the end of the process too; only `kill -9` loses it.
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
        """Nothing to do: it is asked for after each line."""

    def _write_out(self) -> None:
        self._is_scheduled = False
        waiting, self._waiting = self._waiting, []
        self._file.write(b"".join(waiting))
        self._file.flush()


def configure(form: Literal["json", "console"]) -> None:
    """Log to stderr, as JSON lines or for a reader's eyes; libraries from warnings on."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        renderers: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ]
        factory = structlog.BytesLoggerFactory(Lines(sys.stderr.buffer))  # pyright: ignore[reportArgumentType]
        structlog.configure(
            [*shared, *renderers],
            structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=factory,
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            [
                *shared,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    # The other ones print local variables, and those may hold keys.
                    exception_formatter=structlog.dev.plain_traceback,
                ),
            ],
            structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def request_answered(request: Request, status: int, seconds: float) -> None:
    """The line of a request. The path stays out: it may hold ids; the route says what was asked."""
    log.info(
        "A request was answered.",
        method=request.method,
        route=request.route,
        status=status,
        duration_ms=round(seconds * 1000, 3),
        company=request.company_id,
        key_id=request.actor,
        request_id=request.id,
    )


def _as_json(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
