"""The name of the constraint that an error of PostgreSQL is about."""

import re

IN_MESSAGE = re.compile(r'constraint "([^"]+)"')
# Citus appends a shard's number, six digits or more, to the names of its tables and their constraints.
SHARD = re.compile(r"_\d{6,}$")


def constraint_name(reported: str | None, message: str) -> str | None:
    """The name as our migrations give it, from the error's field or, where Citus leaves that empty, from its message.

    >>> constraint_name("element_pkey", "")
    'element_pkey'
    >>> constraint_name(None, 'duplicate key value violates unique constraint "element_pkey_102043"')
    'element_pkey'
    """
    if not reported:
        found = IN_MESSAGE.search(message)
        reported = found[1] if found else None
    return None if reported is None else SHARD.sub("", reported)
