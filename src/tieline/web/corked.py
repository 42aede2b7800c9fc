"""A transport that writes once a turn of the event loop."""

import asyncio


class Corked:
    """A transport that joins all that is written in one turn of the event loop into one write.

    uvicorn writes the head and the body of an answer apart; each would be a system call and a packet.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon
        # It is called for each request, and `__getattr__` is slow.
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> object:
        """All else is the transport's own."""
        return getattr(self._transport, name)

    def write_whole(self, data: bytes) -> None:
        """Send now, unless something waits that must go before it."""
        if self._waiting:
            self._waiting.append(data)
        else:
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Send at the end of this turn."""
        if not self._waiting:
            self._call_soon(self._uncork)
        self._waiting.append(data)

    def close(self) -> None:
        """Send what waits, then close."""
        self._uncork()
        self._transport.close()

    def write_eof(self) -> None:
        """Send what waits and close this side; what the client sends can still be read."""
        self._uncork()
        self._transport.write_eof()

    def _uncork(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._transport.write(b"".join(waiting))
