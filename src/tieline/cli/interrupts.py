"""Ctrl-C and SIGTERM while a file goes in or out."""

import logging
import signal
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# The exit code of a process that a signal ends is this plus the number of the signal.
SIGNAL_CODE = 128


class Interruption(KeyboardInterrupt):
    """A signal asks the command to end. psycopg cancels the statement that is under way."""


@dataclass(slots=True)
class Interrupts:
    """The last signal. While `is_writing`, the first one waits for the end of the batch; a second one does not."""

    code: int = 0
    is_writing: bool = False
    is_forced: bool = False

    def between(self, rows: Iterable[T]) -> Generator[T]:
        """The same rows. A signal ends the command before the next one is read, and while it is waited for."""
        for row in rows:
            self.is_writing = True
            self.check()
            yield row
            self.check()
            self.is_writing = False

    def check(self) -> None:
        """End the command here if a signal has come.

        Raises:
            Interruption: one has.
        """
        if self.code:
            raise Interruption

    def take(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal.

        Raises:
            Interruption: nothing is being written, or it is the second one.
        """
        self.is_forced = self.is_writing and self.code != 0
        self.code = SIGNAL_CODE + number
        if not self.is_writing or self.is_forced:
            raise Interruption


@contextmanager
def interrupts() -> Generator[Interrupts]:
    """Take the signals while the context lasts. An interruption ends the process with the signal's exit code.

    Raises:
        SystemExit: the command was interrupted.
    """
    taken = Interrupts()
    # On a connection that an interruption has left in the middle of a statement, psycopg warns of its own roll-back.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    before = {number: signal.signal(number, taken.take) for number in SIGNALS}
    try:
        yield taken
    except Interruption:
        raise SystemExit(taken.code) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
