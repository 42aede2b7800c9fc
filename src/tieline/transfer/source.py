"""The bytes of a file as UTF-8 lines, in bounded memory: unpacked, decoded and divided at each kind of line end."""

import codecs
import zlib
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import IO

from tieline.transfer.formats import RECORD_BYTES_MAX

CHUNK_BYTES = 131_072
GZIP = b"\x1f\x8b"
# For zlib: the largest window, and a gzip header.
GZIP_WINDOW = 31
UTF8_MARK = b"\xef\xbb\xbf"
# Four bytes tell each encoding, with its byte order mark or without one.
HEAD_BYTES = 4
MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
LINE_ENDS = (b"\n", b"\r")


class BrokenOffError(Exception):
    """A file cannot be read any further; the message says why. What came before it was read."""


def unpacked(stream: IO[bytes], bytes_max: int | None = None) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of a file, and all its bytes in pieces. A file that gzip has packed is unpacked.

    `bytes_max` bounds the bytes that a packed file unpacks to.
    """
    head, pieces = _headed(_pieces(stream))
    if head.startswith(GZIP):
        head, pieces = _headed(_gunzipped(pieces, bytes_max))
    return head, pieces


def lines(head: bytes, pieces: Iterator[bytes]) -> Generator[tuple[int, bytes]]:
    r"""Each line in UTF-8 with its number and its line end, without a byte order mark.

    Lines end with \n, \r\n or \r. A line longer than RECORD_BYTES_MAX comes in pieces: each but its last is longer than
    that and has no line end, and all have the number of the line.

    >>> list(lines(b"a\r", iter([b"a\r", b"\nb\rc"])))
    [(1, b'a\r\n'), (2, b'b\r'), (3, b'c')]

    Raises:
        BrokenOffError: the file cannot be read to its end.
    """
    number = 1
    rest = b""
    for piece in _utf8(head, pieces):
        parts = (rest + piece).splitlines(keepends=True)
        # The \n of a \r at the end may still come.
        rest = b"" if parts[-1].endswith(b"\n") else parts.pop()
        for part in parts:
            yield number, part
            number += 1
        if len(rest) > RECORD_BYTES_MAX and not rest.endswith(b"\r"):
            yield number, rest
            rest = b""
    if rest:
        yield number, rest


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    # A pipe gives what it has, so that the rows of a slow writer are not waited for.
    read = getattr(stream, "read1", stream.read)
    while piece := read(CHUNK_BYTES):
        yield piece


def _headed(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, at least HEAD_BYTES if there are so many, and all pieces."""
    first = b""
    while len(first) < HEAD_BYTES and (piece := next(pieces, b"")):
        first += piece
    return first, chain([first] if first else [], pieces)


def _gunzipped(pieces: Iterable[bytes], bytes_max: int | None) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(GZIP_WINDOW)
    size = 0
    try:
        for piece in pieces:
            packed = piece
            while packed:
                if unpacker.eof:
                    # A file may be several packed ones. Zeros may fill it up at its end.
                    packed = packed.lstrip(b"\0")
                    if not packed:
                        break
                    unpacker = zlib.decompressobj(GZIP_WINDOW)
                found = unpacker.decompress(packed, CHUNK_BYTES)
                packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
                size += len(found)
                if bytes_max is not None and size > bytes_max:
                    raise BrokenOffError(
                        f"the file unpacks to more than {bytes_max:,} bytes; what follows was not read"
                    )
                if found:
                    yield found
    except zlib.error:
        raise BrokenOffError("the packed file is damaged from here on") from None
    if not unpacker.eof:
        raise BrokenOffError("the packed file breaks off here")


def _utf8(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    encoding = _encoding(head)
    if encoding is not None:
        pieces = _recoded(pieces, encoding)
    first = next(pieces, b"").removeprefix(UTF8_MARK)
    return chain([first] if first else [], pieces)


def _encoding(head: bytes) -> str | None:
    r"""The encoding of a file that is not UTF-8, by its first bytes. The name of a column begins with ASCII letters.

    >>> _encoding(b"\xff\xfee\0"), _encoding(b"e\0n\0"), _encoding(b"enti"), _encoding(b"e\0")
    ('utf-16', 'utf-16-le', None, None)
    """
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    zeros = [byte == 0 for byte in head[:HEAD_BYTES]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else None


def _recoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    # Half of a surrogate pair stays, and its line is refused.
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        for piece in pieces:
            if text := decoder.decode(piece):
                yield text.encode(errors="surrogatepass")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise BrokenOffError(f"the text is not {encoding.upper()[:6]} from here on") from None
