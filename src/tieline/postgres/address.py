"""Connection strings of PostgreSQL: read, and shown without their secrets."""

import re

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tieline.wire.nearest import nearest

SECRETS = ("password", "sslpassword")
HIDDEN = "***"
FORMS = "Its form is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or name=value pairs with spaces in between."
ENCODE = (
    "Write special characters of the user name and the password percent-encoded: @ is %40, / is %2F, a space is %20."
)
QUOTE = "Put a value with spaces in single quotes."
_OPTION = re.compile(r'(?:connection option|query parameter:?) "(\w+)"')


class AddressError(Exception):
    """A connection string cannot be used; the text says why and repeats nothing of it but known names."""


def read(dsn: str) -> dict[str, str]:
    """The parts of a connection string.

    A password with an unescaped @ or / makes libpq take a piece of it for the host or the port, which it then repeats
    in its errors. So such a string is refused here.

    Raises:
        AddressError: it cannot be read, or a piece of a password stands in another part.
    """
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except (psycopg.Error, UnicodeError) as error:
        raise AddressError(_reason(dsn, str(error))) from None
    if _is_uri(dsn) and _has_misplaced(parts):
        raise AddressError(ENCODE)
    return parts


def masked(dsn: str) -> str:
    """A connection string with its secrets hidden; all of it if it cannot be read.

    >>> masked("host=db user=tieline password=secret")
    'host=db password=*** user=tieline'
    >>> masked("postgresql://tieline:sec@ret@db/tieline")
    '***'
    """
    try:
        parts = read(dsn)
    except AddressError:
        return HIDDEN
    return make_conninfo("", **{name: HIDDEN if name in SECRETS else value for name, value in sorted(parts.items())})


def without_password(dsn: str) -> tuple[str, str]:
    """A connection string without its password, and the password (empty if it has none)."""
    parts = read(dsn)
    password = parts.pop("password", "")
    return make_conninfo("", **parts), password


def _is_uri(dsn: str) -> bool:
    return dsn.startswith(("postgresql://", "postgres://"))


def _has_misplaced(parts: dict[str, str]) -> bool:
    ports = parts.get("port", "").split(",")
    return any("@" in parts.get(name, "") for name in ("host", "dbname")) or not all(
        port.isdecimal() for port in ports if port
    )


def _reason(dsn: str, said: str) -> str:
    """The mistake, without libpq's sentence: that repeats the text that it could not read, which may be the password.

    >>> _reason("host=db sslmod=require", 'invalid connection option "sslmod"')
    'It has an option that PostgreSQL does not know. Did you mean sslmode?'
    """
    option = _OPTION.search(said)
    if option is not None:
        known = [one.keyword.decode() for one in pq.Conninfo.get_defaults()]
        found = nearest(option[1], known)
        if found:
            return f"It has an option that PostgreSQL does not know. Did you mean {found[0]}?"
        return f"It has an option that PostgreSQL does not know. {ENCODE if _is_uri(dsn) else QUOTE}"
    if _is_uri(dsn):
        return ENCODE
    return FORMS if "://" in dsn or "=" not in dsn else QUOTE
