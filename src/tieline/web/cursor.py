"""The cursor of a page of elements: an opaque text with a check, so that a changed one is noticed."""

import base64
import binascii
import hashlib

from tieline import problems
from tieline.problems import FieldError
from tieline.wire.integers import BIGINT_MAX

CHECK_BYTES = 6


def encode(company_id: str, last_id: int) -> str:
    """The cursor of the page after this element.

    >>> decode("acme", encode("acme", 298))
    298
    """
    place = str(last_id).encode()
    return base64.urlsafe_b64encode(_check(company_id, place) + place).decode().rstrip("=")


def decode(company_id: str, cursor: str) -> int:
    """The id of the last element of the page before.

    Raises:
        Problem: 400, this company was not given this cursor.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    check, place = raw[:CHECK_BYTES], raw[CHECK_BYTES:]
    # The length comes first: Python refuses to read a number of thousands of digits.
    last_id = int(place) if place.isdigit() and len(place) <= len(str(BIGINT_MAX)) else -1
    if not 0 <= last_id <= BIGINT_MAX or check != _check(company_id, place) or encode(company_id, last_id) != cursor:
        message = "This cursor did not come from an answer. Leave it out to start from the beginning."
        raise problems.validation_failed(FieldError("query", "cursor", "invalid", message))
    return last_id


def _check(company_id: str, place: bytes) -> bytes:
    """The check's bytes. Not a signature: with a forged cursor one still sees only one's own company."""
    return hashlib.sha256(company_id.encode() + b"\n" + place).digest()[:CHECK_BYTES]
