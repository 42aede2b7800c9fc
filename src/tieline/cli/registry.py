"""`tieline company`, `tieline key` and `tieline system`: who may ask, and which systems there are."""

import re
from datetime import UTC, datetime
from typing import Annotated

import psycopg
from cyclopts import App, Parameter

from tieline.cli.terminal import Options, RefusalError, answer, registry, say, session, show, unknown_company
from tieline.scopes import KeyScope
from tieline.store import companies, keys, systems
from tieline.store.keys import NewKey
from tieline.transfer.columns import COLUMNS, Cell, CellError, Row, checked
from tieline.transfer.load import Job, Landed, load

RATE_LIMIT_MAX = 2**31 - 1

company_app = App(name="company", help="The tenants: each owns its systems, elements, mappings and keys.")
key_app = App(name="key", help="API keys: who may ask for a company.")
system_app = App(name="system", help="The external systems of a company.")

Company = Annotated[str, Parameter(help="The company's id.")]


@company_app.command(name="add")
def add_company(
    id_: Annotated[str, Parameter(name="ID")], *, name: str | None = None, options: Options | None = None
) -> None:
    """Add a company."""
    if not id_.strip():
        raise RefusalError("A company's id cannot be blank.")
    with registry(options) as conn:
        try:
            companies.add(conn, id_, name or id_)
        except psycopg.errors.UniqueViolation:
            raise RefusalError(f"There is a company {id_!r} already.") from None
    answer(f"Added the company {id_}.")


@company_app.command(name="list")
def list_companies(*, options: Options | None = None) -> None:
    """List the companies."""
    with registry(options) as conn:
        show(("id", "name", "created"), companies.listed(conn))


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
        try:
            key_id = keys.create(conn, new, key)
        except psycopg.errors.ForeignKeyViolation:
            raise unknown_company(company) from None
    if key_id is None:
        raise RefusalError(f"The key would have expired already: --expires {expires} is not in the future.")
    answer(key)
    say(f"This is the key {key_id}. It is not shown again: only its hash is kept.")


@key_app.command(name="list")
def list_keys(*, company: str | None = None, options: Options | None = None) -> None:
    """List the keys of a company, or of all."""
    columns = ("id", "company", "name", "key", "scope", "per minute", "created", "expires", "last used", "revoked")
    with registry(options) as conn:
        show(columns, keys.listed(conn, company))


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


@system_app.command(name="set")
def set_system(
    integration: Annotated[str, Parameter(name="INTEGRATION")],
    *,
    company: Company,
    name: str | None = None,
    system_url: Annotated[str | None, Parameter(help="Where the system is; empty: nowhere.")] = None,
    link_template: Annotated[
        str | None, Parameter(help="Where its records are, with {externalId}; empty: nowhere.")
    ] = None,
    default: Annotated[bool | None, Parameter(help="The one that is meant when none is named.")] = None,
    inactive: Annotated[bool | None, Parameter(negative="--active")] = None,
    options: Options | None = None,
) -> None:
    """Add an external system or change it; what is not given stays."""
    if not integration.strip():
        raise RefusalError("The key of an external system cannot be blank.")
    given = {
        "integration": integration,
        "name": name,
        "systemUrl": system_url,
        "linkTemplate": link_template,
        "isDefault": None if default is None else str(default).lower(),
        "active": None if inactive is None else str(not inactive).lower(),
    }
    landed = Landed()
    with registry(options) as conn:
        try:
            load(conn, [_system_row(given, company)], Job("systems", session(company)), landed.merge)
        except companies.UnknownCompanyError:
            raise unknown_company(company) from None
    if landed.refused:
        raise RefusalError(f"The external system was not set: {landed.refused[0].reason}.")
    done = "Added" if landed.created else "Changed" if landed.updated else "Nothing to change in"
    answer(f"{done} the external system {integration}.")


def _system_row(given: dict[str, str | None], company: str) -> Row:
    columns = COLUMNS["systems"]
    # An empty text takes away what is there.
    cells: list[Cell] = [given.get(column.name) or None for column in columns]
    bits = sum(1 << place for place, column in enumerate(columns) if given.get(column.name) is not None)
    try:
        return Row(1, bits, checked(columns, cells, company))
    except CellError as error:
        raise RefusalError(f"The external system was not set: {error}.") from None


@system_app.command(name="list")
def list_systems(*, company: Company, options: Options | None = None) -> None:
    """List the external systems of a company."""
    with registry(options) as conn, conn.transaction():
        _act(conn, company)
        columns = ("integration", "name", "system url", "link template", "default", "active")
        show(columns, systems.listed(conn, company))


@system_app.command(name="remove")
def remove_system(
    integration: Annotated[str, Parameter(name="INTEGRATION")], *, company: Company, options: Options | None = None
) -> None:
    """Forget a system's settings; its mappings stay, as historical ones."""
    with registry(options) as conn, conn.transaction():
        _act(conn, company)
        if not systems.remove(conn, company, integration):
            raise RefusalError(f"The company {company} has no external system {integration!r}.")
    answer(f"Removed the external system {integration}; its mappings stay.")


def _act(conn: psycopg.Connection, company: str) -> None:
    try:
        companies.act(conn, session(company))
    except companies.UnknownCompanyError:
        raise unknown_company(company) from None


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
