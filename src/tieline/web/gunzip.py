"""Undo `Content-Encoding: gzip` (RFC 9110, 8.4.1.3) of a request's body, in pieces of bounded size."""

import zlib
from collections.abc import Iterator

from tieline.wire.pieces import PIECE_BYTES

# A gzip file may be several in a row. Programs that write them do so once in 64 kB.
MEMBERS_MAX = 100_000
GZIP_WITH_HEADER = 16 + zlib.MAX_WBITS


class BrokenGzipError(Exception):
    """The bytes are not gzip, or end too early."""


class Gunzip:
    """A stream that is decoded as it comes."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(GZIP_WITH_HEADER)
        self._members = 1

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The bytes that the next bytes of the stream give, at most PIECE_BYTES at a time.

        Raises:
            BrokenGzipError: these are not gzip.
        """
        while data:
            if self._member.eof:
                self._members += 1
                self._member = zlib.decompressobj(GZIP_WITH_HEADER)
                if self._members > MEMBERS_MAX:
                    raise BrokenGzipError
            try:
                piece = self._member.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise BrokenGzipError from None
            yield piece
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def end(self) -> None:
        """The stream has ended.

        Raises:
            BrokenGzipError: too early.
        """
        if not self._member.eof:
            raise BrokenGzipError
