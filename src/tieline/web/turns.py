"""A limit on how much of one kind of work runs at a time."""

from collections.abc import Generator
from contextlib import contextmanager

from tieline import problems


class Turns:
    """The work of one kind that this process may still begin."""

    def __init__(self, at_most: int) -> None:
        self._left = at_most

    @contextmanager
    def one(self) -> Generator[None]:
        """Take a turn for as long as the context lasts.

        Raises:
            Problem: 503, all turns are taken.
        """
        if self._left <= 0:
            raise problems.too_busy()
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1
