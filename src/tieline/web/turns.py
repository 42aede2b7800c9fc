"""At most so many of one kind of work at a time."""

from collections.abc import Generator
from contextlib import contextmanager

from tieline import problems


class Turns:
    """Counts what is under way in this process."""

    def __init__(self, at_most: int) -> None:
        self._left = at_most

    @contextmanager
    def one(self) -> Generator[None]:
        """Be one of them for as long as the context lasts.

        Raises:
            Problem: 503, there are enough already.
        """
        if self._left <= 0:
            raise problems.too_busy()
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1
