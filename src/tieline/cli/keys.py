"""`tieline key`: API keys of companies."""

import re
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from tieline.cli.terminal import AsJson, Company, Options, RefusalError, answer, answer_json, registry, say, show
from tieline.store import companies, keys
from tieline.store.companies import UnknownCompanyError
from tieline.store.keys import NewKey
from tieline.wire.scopes import KeyScope

RATE_LIMIT_MAX = 2**31 - 1

key_app = App(name="key", help="API keys. Each gives access to one company.")


@key_app.command(name="create")
def create_key(
    *,
    company: Company,
    name: Annotated[str, Parameter(help="A name by which people know it.")] = "",
    scope: Annotated[
        KeyScope, Parameter(help="The rights of the key; api.write may read, api.admin may do both.")
    ] = "api.read",
    expires: Annotated[
        str | None, Parameter(help="Its end: an ISO 8601 time, UTC unless it has an offset.", show_default="never")
    ] = None,
    rate_limit: Annotated[
        str | None,
        Parameter(help="Its most requests a minute, as in 600/min.", show_default="the setting rate_limit_per_minute"),
    ] = None,
    json: Annotated[
        bool, Parameter(negative="", help="Print the key's id and the key as JSON.", show_default="no")
    ] = False,
    options: Options | None = None,
) -> None:
    """Create a key and print it; it cannot be shown again."""
    new = NewKey(company, name, scope, _per_minute(rate_limit), _time(expires))
    key = keys.made()
    with registry(options) as conn:
        key_id = keys.create(conn, new, key)
    if key_id is None:
        raise RefusalError(f"The key would have expired already: --expires {expires} is not in the future.")
    if json:
        answer_json({"id": key_id, "companyId": company, "name": name, "key": key})
    else:
        answer(key)
    say(f"This is the key {key_id}. It is not shown again: only its hash is kept.")


@key_app.command(name="list")
def list_keys(
    *,
    company: Annotated[str | None, Parameter(help="The company's id.", show_default="all companies")] = None,
    json: AsJson = False,
    options: Options | None = None,
) -> None:
    """List the keys of a company, or of all."""
    columns = ("id", "company", "name", "key", "scope", "per minute", "created", "expires", "last used", "revoked")
    with registry(options) as conn:
        found = keys.listed(conn, company)
        if company is not None and not found and company not in {one.id for one in companies.listed(conn)}:
            raise UnknownCompanyError(company)
        show(columns, found, as_json=json)


@key_app.command(name="revoke")
def revoke_key(
    id_: Annotated[str, Parameter(name="ID", help="The key's id, as `tieline key list` shows it.")],
    /,
    *,
    options: Options | None = None,
) -> None:
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
