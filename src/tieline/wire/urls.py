"""Percent-encoded text in addresses and forms."""

from collections.abc import Generator
from urllib.parse import unquote_to_bytes


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


def pairs(text: bytes) -> Generator[tuple[str, str]]:
    """The names and values of a query string or a form, decoded one after the other.

    >>> list(pairs(b"a=1+2&b=%C3%A9&&c"))
    [('a', '1 2'), ('b', 'é'), ('c', '')]
    """
    for part in filter(None, text.replace(b"+", b" ").split(b"&")):
        name, _, value = part.partition(b"=")
        yield unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()
