"""`tieline system`: the external systems of a company."""

from collections.abc import Mapping
from typing import Annotated

from cyclopts import App, Parameter
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from tieline.cli.terminal import Company, Options, RefusalError, answer, registry, session, show
from tieline.problems import Problem
from tieline.store import companies, systems
from tieline.store.systems import Outcome, SystemChange

DONE: Mapping[Outcome, str] = {"created": "Added", "updated": "Changed", "unchanged": "Nothing to change in"}

system_app = App(name="system", help="The external systems of a company.")


@system_app.command(name="set")
def set_system(
    integration: Annotated[str, Parameter(name="INTEGRATION")],
    *,
    company: Company,
    name: str | None = None,
    system_url: Annotated[str | None, Parameter(help="The address of the system; empty removes it.")] = None,
    link_template: Annotated[
        str | None, Parameter(help="The address of a record, with {externalId} in it; empty removes it.")
    ] = None,
    default: Annotated[bool | None, Parameter(help="It is used where a request names no system.")] = None,
    inactive: Annotated[bool | None, Parameter(negative="--active")] = None,
    options: Options | None = None,
) -> None:
    """Add an external system or change it; options that are left out change nothing."""
    given = SystemChange(
        integration,
        name=_text(name),
        system_url=_text(system_url),
        link_template=_text(link_template),
        is_default=UNSET if default is None else default,
        active=UNSET if inactive is None else not inactive,
    )
    with registry(options) as conn:
        try:
            outcome = systems.set(conn, session(company), given)
        except Problem as problem:
            raise RefusalError(f"The external system was not set: {problem.message}") from None
    answer(f"{DONE[outcome]} the external system {integration}.")


def _text(given: str | None) -> str | UnsetType | None:
    """The value to set: none for an empty text, and UNSET for an option that is left out."""
    return UNSET if given is None else given or None


@system_app.command(name="list")
def list_systems(*, company: Company, options: Options | None = None) -> None:
    """List the external systems of a company."""
    with registry(options) as conn, conn.transaction():
        companies.act(conn, session(company))
        columns = ("integration", "name", "system url", "link template", "default", "active")
        show(columns, [astuple(system)[:6] for system in systems.listed(conn, company)])


@system_app.command(name="remove")
def remove_system(
    integration: Annotated[str, Parameter(name="INTEGRATION")], *, company: Company, options: Options | None = None
) -> None:
    """Remove the settings of an external system; its mappings stay and become historical."""
    with registry(options) as conn, conn.transaction():
        companies.act(conn, session(company))
        if not systems.remove(conn, company, integration):
            raise RefusalError(f"The company {company} has no external system {integration!r}.")
    answer(f"Removed the external system {integration}; its mappings stay.")
