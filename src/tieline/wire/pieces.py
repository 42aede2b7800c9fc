"""Long texts in pieces. A call of a C library holds the interpreter's lock until it returns, so it gets one piece.

JSON is taken apart by msgspec: it tells the position behind a value by refusing what follows the value.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

PIECE_BYTES = 65_536
BROKEN = (msgspec.DecodeError, UnicodeDecodeError)

T = TypeVar("T")

_TRAILING = re.compile(r"JSON is malformed: trailing characters \(byte ([0-9]+)\)")
_SPACE = re.compile(rb"[ \t\n\r]*")
# Behind an item that begins with this byte, the first place that looks like the border to the next item.
_BORDERS = {
    ord("{"): re.compile(rb"}[ \t\n\r]*,[ \t\n\r]*(?={)"),
    ord('"'): re.compile(rb'"[ \t\n\r]*,[ \t\n\r]*(?=")'),
}
_raw = msgspec.json.Decoder(msgspec.Raw)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY, _COMMA, _COLON = b"{}[],:"
_SIGN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


class TooLongError(Exception):
    """A value of JSON is longer than the reader takes."""


def has(text: bytes, wanted: bytes) -> bool:
    """True if the text contains this short one."""
    size = PIECE_BYTES + len(wanted) - 1
    return any(text.find(wanted, at, at + size) >= 0 for at in range(0, len(text), PIECE_BYTES))


def count(text: bytes, byte: bytes) -> int:
    """The number of times that the byte is in the text."""
    return sum(text.count(byte, at, at + PIECE_BYTES) for at in range(0, len(text), PIECE_BYTES))


def not_utf8(text: bytes) -> bytes | None:
    r"""The first bytes that are not UTF-8; None if all are.

    >>> not_utf8("é".encode()), not_utf8(b"a\xffb"), not_utf8(b"a\xc3")
    (None, b'\xff', b'\xc3')
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(text), PIECE_BYTES):
            decoder.decode(text[at : at + PIECE_BYTES], at + PIECE_BYTES >= len(text))
    except UnicodeDecodeError as error:
        return error.object[error.start : error.end]
    return None


def depth_exceeds(json: bytes, depth_max: int) -> bool:
    """True if the values of the JSON are nested deeper than this.

    >>> depth_exceeds(b'[[["[[["]]]', 3), depth_exceeds(b'[[["[[["]]]', 2)
    (False, True)
    """
    if count(json, b"[") + count(json, b"{") <= depth_max:
        return False
    depth = 0
    for found in _SIGN.finditer(json):
        sign = json[found.start()]
        if sign in (_OPEN_ARRAY, _OPEN_OBJECT):
            depth += 1
            if depth > depth_max:
                return True
        elif sign in (_CLOSE_ARRAY, _CLOSE_OBJECT):
            depth -= 1
    return False


def _end(text: bytes) -> int:
    """The position behind the value that the text begins with, and behind white space."""
    try:
        _raw.decode(text)
    except msgspec.DecodeError as error:
        found = _TRAILING.fullmatch(str(error))
        if found is None:
            raise
        return int(found[1]) - 1
    return len(text)


class Walk:
    r"""A position in JSON. Methods read what is there and go behind it; what is broken raises msgspec's DecodeError.

    >>> walk = Walk(b'{"a": [1, 2], "b": "x"} ')
    >>> for name in walk.members():
    ...     print(name, list(walk.elements(_raws.decode)) if walk.is_array else bytes(walk.value()))
    a [[<msgspec.Raw object at ...>, <msgspec.Raw object at ...>]]
    b b'"x"'
    >>> walk.end()
    """

    def __init__(self, text: bytes, value_bytes_max: int = 1_000_000) -> None:
        """`value_bytes_max`: a longer value, or item of an array, raises TooLongError."""
        self.text = text
        self._view = memoryview(text)
        self._value_bytes_max = value_bytes_max
        self.at = 0
        self._skip_space()

    @property
    def is_object(self) -> bool:
        """True if an object begins here."""
        return self.text.startswith(b"{", self.at)

    @property
    def is_array(self) -> bool:
        """True if an array begins here."""
        return self.text.startswith(b"[", self.at)

    def value(self) -> memoryview:
        """The text of the value here, with the white space behind it."""
        start, self.at = self.at, self._behind(self.at)
        return self._view[start : self.at]

    def members(self) -> Iterator[str]:
        """The names of the object here. Read the value before taking the next name."""
        self._take(_OPEN_OBJECT)
        if self._next() == _CLOSE_OBJECT:
            self._take(_CLOSE_OBJECT)
            return
        while True:
            name = _text.decode(self.value())
            self._take(_COLON)
            yield name
            if self._next() == _CLOSE_OBJECT:
                self._take(_CLOSE_OBJECT)
                return
            self._take(_COMMA)

    def elements(self, read: Callable[[bytes], T]) -> Iterator[T]:
        """The array here, in pieces: what `read` makes of some items, which it gets as an array of their own.

        `read` raises one of BROKEN if the text is not JSON: then the items are divided with more care.
        """
        self._take(_OPEN_ARRAY)
        if self._next() == _CLOSE_ARRAY:
            self._take(_CLOSE_ARRAY)
            return
        is_open = True
        while is_open:
            # No item of so short a rest can be too long.
            if len(self.text) - self.at < min(PIECE_BYTES, self._value_bytes_max):
                yield self._rest(read)
                return
            guess = self._guess()
            if guess is not None:
                end, following = guess
                try:
                    found = read(self._array(end))
                except BROKEN:
                    pass
                else:
                    self.at = following
                    yield found
                    continue
            start, (end, is_open) = self.at, self._some()
            yield read(b"[%b]" % self._view[start:end])

    def _rest(self, read: Callable[[bytes], T]) -> T:
        """All items from here on as one piece; the text is not longer than a piece."""
        rest = b"[%b" % self._view[self.at :]
        end = _end(rest)
        self.at += end - 1
        return read(rest[:end])

    def end(self) -> None:
        """Nothing more may come."""
        if self.at < len(self.text):
            raise msgspec.DecodeError(f"JSON is malformed: trailing characters (byte {self.at + 1})")

    def _array(self, end: int) -> bytes:
        array = b"[%b]" % self._view[self.at : end]
        # A reader that refuses the values of the first items would not notice a border in the middle of an item.
        _raws.decode(array)
        return array

    def _guess(self) -> tuple[int, int] | None:
        """The end of a piece and the start of the next one, if the first border in sight is one between items."""
        border = _BORDERS.get(self._next())
        if border is None or len(self.text) - self.at <= PIECE_BYTES:
            return None
        start = self.at + PIECE_BYTES
        found = border.search(self.text, start, start + PIECE_BYTES)
        return None if found is None else (found.start() + 1, found.end())

    def _some(self) -> tuple[int, bool]:
        """Go behind items of at least a piece. Gives the end of the last one, and whether the array goes on."""
        start = self.at
        while True:
            self.at = end = self._behind(self.at)
            if self._next() == _CLOSE_ARRAY:
                self._take(_CLOSE_ARRAY)
                return end, False
            self._take(_COMMA)
            if self.at - start >= PIECE_BYTES:
                return end, True

    def _behind(self, start: int) -> int:
        """The position behind the value that begins here, and behind white space."""
        cut = start + self._value_bytes_max
        try:
            _raw.decode(self._view[start:cut])
        except msgspec.DecodeError as error:
            found = _TRAILING.fullmatch(str(error))
            if found is not None:
                return start + int(found[1]) - 1
            if cut < len(self.text) and str(error) == "Input data was truncated":
                raise TooLongError from None
            raise
        if cut < len(self.text):
            raise TooLongError
        return len(self.text)

    def _next(self) -> int:
        if self.at >= len(self.text):
            raise msgspec.DecodeError("Input data was truncated")
        return self.text[self.at]

    def _take(self, sign: int) -> None:
        if self._next() != sign:
            raise msgspec.DecodeError(f"JSON is malformed: expected {chr(sign)!r} (byte {self.at + 1})")
        self.at += 1
        self._skip_space()

    def _skip_space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None, "the pattern matches empty text too"
        self.at = found.end()
