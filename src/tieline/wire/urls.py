"""Percent-encoded text in addresses and forms."""

import re
from collections.abc import Generator
from urllib.parse import unquote_to_bytes

from tieline.wire.pieces import PIECE_BYTES


def decoded(text: str) -> str:
    """The text with percent signs and pluses undone. Its bytes have to be UTF-8.

    >>> decoded("a%2Cb+c"), decoded("%C3%A9")
    ('a,b c', 'é')
    >>> decoded("%FF")
    Traceback (most recent call last):
    UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
    """
    if "+" in text:
        text = text.replace("+", " ")
    return text if "%" not in text and text.isascii() else unquote_to_bytes(text).decode()


def pairs(text: bytes, separators: bytes = b"&") -> Generator[tuple[str, str]]:
    """The names and values of a query string or a form, decoded one after the other.

    >>> list(pairs(b"a=1+2&b=%C3%A9&&c")), list(pairs(b"a;b&c", b"&;"))
    ([('a', '1 2'), ('b', 'é'), ('c', '')], [('a', ''), ('b', ''), ('c', '')])
    """
    for found in re.finditer(b"[^%b]+" % separators, text):
        name, _, value = found[0].partition(b"=")
        yield _unquoted(name), _unquoted(value)


def _unquoted(text: bytes) -> str:
    """The text with percent signs and pluses undone, piece by piece: each percent sign makes an object of its own."""
    if len(text) <= PIECE_BYTES:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode()
    undone = bytearray()
    at = 0
    while at < len(text):
        end = at + PIECE_BYTES
        percent = text.find(b"%", end - 2, end)
        end = end if percent < 0 else percent
        undone += unquote_to_bytes(text[at:end].replace(b"+", b" "))
        at = end
    return undone.decode()
