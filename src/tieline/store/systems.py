"""External systems of a company: the settings of each, found by its `integration`."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec
import psycopg
from msgspec import UNSET, UnsetType
from psycopg import errors

from tieline import problems
from tieline.postgres.constraint import constraint_name
from tieline.postgres.session import Session
from tieline.problems import Problem
from tieline.sql.statement import json_text, shipped
from tieline.store.companies import act
from tieline.wire.addresses import is_http
from tieline.wire.blanks import is_blank

COLLISIONS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
TEMPLATE_RULES = ("externalSystem_linkTemplate_check", "externalSystem_linkTemplate_address")
URL_KEYS = ("externalSystem_companyId_canonical_key", "externalSystem_companyId_systemUrl_key")
# Another writer may add the same system or make another one the default at the same time; then it is there to be met.
ATTEMPTS_MAX = 8
# The column is a 32-bit integer: 68 years.
SECONDS_MAX = 2**31 - 1

Outcome = Literal["created", "updated", "unchanged"]
T = TypeVar("T")


class System(msgspec.Struct, frozen=True, rename="camel"):
    """The settings of an external system. `metadata` and `link_templates` are JSON text.

    `stale_after_seconds`: so long after its last synchronisation a mapping is old.
    """

    integration: str
    name: str
    system_url: str | None = None
    link_template: str | None = None
    is_default: bool = False
    active: bool = True
    metadata: str | None = None
    stale_after_seconds: int | None = None
    link_templates: str | None = None


class SystemChange(msgspec.Struct, frozen=True, rename="camel"):
    """The settings to change in an external system. UNSET: the setting stays as it is; None: it is cleared.

    A name of None is the integration key. `link_templates`: the templates to set or to clear, by entity type.
    """

    integration: str
    name: str | UnsetType | None = UNSET
    system_url: str | UnsetType | None = UNSET
    link_template: str | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    metadata: str | UnsetType | None = UNSET
    stale_after_seconds: int | UnsetType | None = UNSET
    link_templates: Mapping[str, str | None] = {}


def listed(conn: psycopg.Connection, company_id: str) -> list[System]:
    """The company's external systems by their `integration`, in the caller's transaction."""
    return [System(*row) for row in conn.execute(shipped("systems/list"), (company_id,))]


def find(conn: psycopg.Connection, company_id: str, integration: str) -> System | None:
    """One external system, in the caller's transaction."""
    row = conn.execute(shipped("systems/find"), (company_id, integration)).fetchone()
    return None if row is None else System(*row)


def set(conn: psycopg.Connection, session: Session, given: SystemChange) -> Outcome:  # noqa: A001 the verb of the wire
    """Create or change an external system, in a transaction of its own. A new default one replaces the former.

    Raises:
        Problem: a blank integration key, a time, an address or a template that cannot be, an address that another
            system of the company has, or other writers were in the way again and again.
        UnknownCompanyError: there is no such company.
    """
    if is_blank(given.integration):
        raise problems.integration_blank()
    if isinstance(given.stale_after_seconds, int) and not 0 < given.stale_after_seconds <= SECONDS_MAX:
        raise _seconds_invalid(given.stale_after_seconds)
    for _ in range(ATTEMPTS_MAX):
        try:
            with conn.transaction():
                act(conn, session)
                return _set(conn, session.company_id, given)
        except errors.CheckViolation as error:
            raise _unfit(error, given) from error
        except COLLISIONS as error:
            taken = _taken(conn, session, given) if _constraint(error) in URL_KEYS else None
            if taken is not None:
                raise taken from error
    raise problems.overloaded()


def remove(conn: psycopg.Connection, company_id: str, integration: str) -> bool:
    """Forget the settings of an external system, in the caller's transaction; False if there are none.

    Its mappings stay and are historical from then on.
    """
    return conn.execute(shipped("systems/remove"), (company_id, integration)).fetchone() is not None


def changed(system: System, given: SystemChange) -> System:
    """The system with the given settings put over it.

    >>> changed(System("crm", "CRM", active=False), SystemChange("crm", name=None, active=True)).name
    'crm'
    """
    return System(
        system.integration,
        _over(system.name, given.name) or system.integration,
        _over(system.system_url, given.system_url),
        _over(system.link_template, given.link_template),
        _over(system.is_default, given.is_default),
        _over(system.active, given.active),
        _over(system.metadata, given.metadata),
        _over(system.stale_after_seconds, given.stale_after_seconds),
        _templates(system.link_templates, given.link_templates),
    )


def _templates(there: str | None, given: Mapping[str, str | None]) -> str | None:
    """The templates by entity type, with the given ones put over them.

    >>> _templates('{"item": "https://a.example/{externalId}"}', {"item": None, "po": "https://b.example/{externalId}"})
    '{"po":"https://b.example/{externalId}"}'
    """
    if not given:
        return there
    before = {} if there is None else msgspec.json.decode(there, type=dict[str, str])
    after = {entity_type: template for entity_type, template in {**before, **given}.items() if template is not None}
    return there if after == before else json_text(after) if after else None


def _over(there: T, given: T | UnsetType) -> T:
    return there if isinstance(given, UnsetType) else given


def _set(conn: psycopg.Connection, company_id: str, given: SystemChange) -> Outcome:
    row = conn.execute(shipped("systems/hold"), (company_id, given.integration)).fetchone()
    before = None if row is None else System(*row)
    after = changed(before or System(given.integration, given.integration), given)
    if after == before:
        return "unchanged"
    if given.is_default is True:
        conn.execute(shipped("systems/release_default"), (company_id, given.integration))
    conn.execute(
        shipped("systems/add" if before is None else "systems/change"), (company_id, *msgspec.structs.astuple(after))
    )
    return "created" if before is None else "updated"


def _constraint(error: psycopg.Error) -> str | None:
    return constraint_name(error.diag.constraint_name, error.diag.message_primary or "")


def _unfit(error: errors.CheckViolation, given: SystemChange) -> Problem:
    if _constraint(error) == "externalSystem_systemUrl_check":
        return problems.system_url_invalid(str(given.system_url))
    if _constraint(error) == "externalSystem_linkTemplates_check":
        templates = [template for template in given.link_templates.values() if template is not None]
        unfit = [template for template in templates if "{externalId}" not in template or not is_http(template)]
        return problems.link_template_invalid((unfit or templates)[0])
    assert _constraint(error) in TEMPLATE_RULES, "a blank integration was refused before"
    return problems.link_template_invalid(str(given.link_template))


def _seconds_invalid(given: int) -> Problem:
    message = f"staleAfterSeconds must be a whole number from 1 to {SECONDS_MAX}, and {given} is not."
    return problems.validation_failed(problems.FieldError("body", "staleAfterSeconds", "invalid", message))


def _taken(conn: psycopg.Connection, session: Session, given: SystemChange) -> Problem | None:
    """The problem that names the system with this address, unless it has let go of it."""
    with conn.transaction():
        act(conn, session)
        values = (session.company_id, given.integration, given.system_url)
        row = conn.execute(shipped("systems/holder"), values).fetchone()
    return None if row is None else problems.system_url_taken(row[1], row[0])
