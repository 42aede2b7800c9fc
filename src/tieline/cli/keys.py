"""`tieline key`: API keys of companies."""

import re
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter
from msgspec.structs import astuple, replace

from tieline.cli.terminal import Company, Options, RefusalError, answer, registry, say, show
from tieline.store import keys
from tieline.store.keys import NewKey
from tieline.wire.scopes import KeyScope

RATE_LIMIT_MAX = 2**31 - 1

key_app = App(name="key", help="API keys. Each gives access to one company.")


@key_app.command(name="create")
def create_key(
    *,
    company: Company,
    name: str = "",
    scope: KeyScope = "api.read",
    expires: Annotated[str | None, Parameter(help="An ISO 8601 time; UTC unless it has an offset.")] = None,
    rate_limit: Annotated[str | None, Parameter(help="Requests a minute, as in 600/min.")] = None,
    options: Options | None = None,
) -> None:
    """Create a key and print it; it cannot be shown again."""
    new = NewKey(company, name, scope, _per_minute(rate_limit), _time(expires))
    key = keys.made()
    with registry(options) as conn:
        key_id = keys.create(conn, new, key)
    if key_id is None:
        raise RefusalError(f"The key would have expired already: --expires {expires} is not in the future.")
    answer(key)
    say(f"This is the key {key_id}. It is not shown again: only its hash is kept.")


@key_app.command(name="list")
def list_keys(*, company: str | None = None, options: Options | None = None) -> None:
    """List the keys of a company, or of all."""
    columns = ("id", "company", "name", "key", "scope", "per minute", "created", "expires", "last used", "revoked")
    with registry(options) as conn:
        show(columns, [astuple(replace(key, scopes=" ".join(key.scopes))) for key in keys.listed(conn, company)])


@key_app.command(name="revoke")
def revoke_key(id_: Annotated[str, Parameter(name="ID")], *, options: Options | None = None) -> None:
    """End a key, at the latest within the time that the setting key_cache_ms gives."""
    with registry(options) as conn:
        found = keys.revoke(conn, id_)
    if found is None:
        raise RefusalError(f"There is no key {id_!r}. `tieline key list` shows the ids.")
    was_revoked, since = found
    when = since.isoformat(timespec="seconds")
    answer(f"The key {id_} has been revoked since {when}." if was_revoked else f"Revoked the key {id_} at {when}.")


def _per_minute(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,10})/min", text, re.ASCII)
    if found is None or not 0 < int(found[1]) <= RATE_LIMIT_MAX:
        raise RefusalError(f"The rate limit {text!r} is not a number of requests a minute, such as 600/min.")
    return int(found[1])


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise RefusalError(f"--expires {text!r} is not an ISO 8601 time, such as 2030-01-31T12:00:00Z.") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
