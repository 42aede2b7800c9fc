"""The scopes of keys and tokens."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, get_args

# Each scope includes the ones before it.
KeyScope = Literal["api.read", "api.write", "api.admin"]
SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)


def in_order(scopes: Iterable[str]) -> list[str]:
    """The scopes among these texts, the smallest first.

    >>> in_order({"api.write", "api.read", "other"})
    ['api.read', 'api.write']
    """
    return [scope for scope in SCOPES if scope in set(scopes)]


@lru_cache
def with_included(scopes: frozenset[str]) -> frozenset[str]:
    """The scopes together with the ones that they include.

    >>> sorted(with_included(frozenset({"api.write"})))
    ['api.read', 'api.write']
    """
    known = in_order(scopes)
    return frozenset(SCOPES[: SCOPES.index(known[-1]) + 1]) if known else frozenset()
