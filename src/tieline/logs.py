"""What goes into the log: one line for each outcome, a sentence with fields, never a secret."""

import logging
import sys
from typing import Literal

import msgspec
import structlog

from tieline.web.request import Request

log = structlog.stdlib.get_logger()


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
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
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
