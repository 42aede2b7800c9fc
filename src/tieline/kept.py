"""A cache that is bounded in bytes, for statements by their shape: the least recently used are forgotten."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, each with its size. A value that is larger than `one_max` is not kept.

    >>> kept = Kept[str, int](10, 6)
    >>> kept.keep("a", 1, 5), kept.keep("b", 2, 5), kept.keep("large", 3, 7), kept.get("a")
    ([], [], [], 1)
    >>> kept.keep("c", 4, 5), kept.get("b"), kept.get("large"), kept.bytes
    ([2], None, None, 10)
    """

    def __init__(self, bytes_max: int, one_max: int, count_max: int | None = None) -> None:
        self._bytes_max = bytes_max
        self._one_max = min(one_max, bytes_max)
        self._count_max = count_max
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def takes(self, size: int) -> bool:
        """True if a value of this size would be kept."""
        return size <= self._one_max

    def get(self, key: K) -> V | None:
        """The value, which counts as used now; None if it is not kept."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def keep(self, key: K, value: V, size: int) -> list[V]:
        """Keep a value. Returns those that are forgotten for it."""
        if size > self._one_max:
            return []
        self.forget(key)
        self._entries[key] = (value, size)
        self.bytes += size
        forgotten: list[V] = []
        while self.bytes > self._bytes_max or (self._count_max is not None and len(self._entries) > self._count_max):
            _, (oldest, oldest_size) = self._entries.popitem(last=False)
            self.bytes -= oldest_size
            forgotten.append(oldest)
        return forgotten

    def forget(self, key: K) -> None:
        """Forget a value, if it is kept."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry[1]
