"""`tieline system`: the external systems of a company."""

from typing import Annotated

from cyclopts import App, Parameter
from msgspec.structs import astuple

from tieline.cli.terminal import Company, Options, RefusalError, answer, registry, session, show
from tieline.store import companies, systems
from tieline.transfer.columns import COLUMNS, Cell, CellError, Row, checked
from tieline.transfer.load import Job, Landed, load

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
        load(conn, [_system_row(given, company)], Job("systems", session(company)), landed.merge)
    if landed.refused:
        raise RefusalError(f"The external system was not set: {landed.refused[0].reason}.")
    done = "Added" if landed.created else "Changed" if landed.updated else "Nothing to change in"
    answer(f"{done} the external system {integration}.")


def _system_row(given: dict[str, str | None], company: str) -> Row:
    columns = COLUMNS["systems"]
    # An empty text removes the value.
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
