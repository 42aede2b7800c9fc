"""Where the next page of elements starts, as an opaque text that does not let itself be changed unnoticed."""

import base64
import binascii
import hashlib

from tieline import problems
from tieline.integers import BIGINT_MAX
from tieline.problems import FieldError

CHECK_BYTES = 6


def encode(company_id: str, last_id: int) -> str:
    """The cursor behind this element.

    >>> decode("acme", encode("acme", 298))
    298
    """
    place = str(last_id).encode()
    return base64.urlsafe_b64encode(_check(company_id, place) + place).decode().rstrip("=")


def decode(company_id: str, cursor: str) -> int:
    """The id of the last element of the page before.

    Raises:
        Problem: 400, the cursor is not one that this company was given.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    check, place = raw[:CHECK_BYTES], raw[CHECK_BYTES:]
    # Short first: Python refuses to read a number of thousands of digits, and PostgreSQL one beyond its bigint.
    last_id = int(place) if place.isdigit() and len(place) <= len(str(BIGINT_MAX)) else -1
    if not 0 <= last_id <= BIGINT_MAX or check != _check(company_id, place) or encode(company_id, last_id) != cursor:
        message = "cursor is not one that an answer gave; leave it out to start from the beginning."
        raise problems.validation_failed(FieldError("query", "cursor", "invalid", message))
    return last_id


def _check(company_id: str, place: bytes) -> bytes:
    """Not a signature: whoever forges one sees no more than the company's own elements."""
    return hashlib.sha256(company_id.encode() + b"\n" + place).digest()[:CHECK_BYTES]
