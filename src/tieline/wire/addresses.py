"""Addresses that a link may lead to."""

import re

from tieline.wire.blanks import WHITE_SPACE

# As the function is_link of the database has it.
_NEVER = rf"\x00-\x1f\x7f{WHITE_SPACE}"
_HTTP = re.compile(rf"https?://[^/?#{_NEVER}]+[^{_NEVER}]*", re.IGNORECASE | re.ASCII)


def is_http(text: str) -> bool:
    """True for an absolute address with the scheme http or https.

    >>> is_http("https://x.example/1"), is_http("javascript:alert(1)"), is_http("//x.example"), is_http("http://a b")
    (True, False, False, False)
    """
    return _HTTP.fullmatch(text) is not None
