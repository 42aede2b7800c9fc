"""`tieline system`: the external systems of a company."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from msgspec import UNSET, UnsetType

from tieline.cli.terminal import AsJson, Company, Options, RefusalError, answer, answer_json, registry, session, show
from tieline.problems import Problem
from tieline.store import companies, systems
from tieline.store.systems import Outcome, System, SystemChange
from tieline.wire.blanks import is_blank

DONE: Mapping[Outcome, str] = {"created": "Added", "updated": "Changed", "unchanged": "Nothing to change in"}
# An option that is left out changes nothing.
STAYS = "as it is"
Integration = Annotated[
    str, Parameter(name="INTEGRATION", help="The key by which mappings name the external system, such as xero.")
]
TemplatesOf = Annotated[
    list[str] | None,
    Parameter(
        negative="",
        help="TYPE=TEMPLATE, the template for one entity type; TYPE= removes it. May be repeated.",
        show_default=STAYS,
    ),
]
StaleAfter = Annotated[
    int | None,
    Parameter(
        name="--stale-after",
        help="Seconds after which a mapping that was not synchronised is old; 0 removes it.",
        show_default=STAYS,
    ),
]

system_app = App(name="system", help="The external systems of a company.")


@system_app.command(name="set")
def set_system(  # noqa: PLR0913 -- an option each
    integration: Integration,
    /,
    *,
    company: Company,
    name: Annotated[str | None, Parameter(help="Its name for people; empty: the key.", show_default=STAYS)] = None,
    system_url: Annotated[
        str | None, Parameter(help="The address of the system; empty removes it.", show_default=STAYS)
    ] = None,
    link_template: Annotated[
        str | None,
        Parameter(help="The address of a record, with {externalId} in it; empty removes it.", show_default=STAYS),
    ] = None,
    link_template_of: TemplatesOf = None,
    stale_after: StaleAfter = None,
    default: Annotated[
        bool | None, Parameter(help="Whether it is used where a request names no system.", show_default=STAYS)
    ] = None,
    inactive: Annotated[
        bool | None,
        Parameter(negative="--active", help="Whether its mappings are historical.", show_default=STAYS),
    ] = None,
    options: Options | None = None,
) -> None:
    """Add an external system or change it; options that are left out change nothing."""
    given = SystemChange(
        integration,
        name=_text(name),
        system_url=_text(system_url),
        link_template=_text(link_template),
        link_templates=dict(map(_template, link_template_of or ())),
        stale_after_seconds=UNSET if stale_after is None else stale_after or None,
        is_default=UNSET if default is None else default,
        active=UNSET if inactive is None else not inactive,
    )
    with registry(options) as conn:
        try:
            outcome = systems.set(conn, session(company), given)
        except Problem as problem:
            raise RefusalError(f"The external system was not set: {problem.message}") from None
    answer(f"{DONE[outcome]} the external system {integration}.")


def _template(given: str) -> tuple[str, str | None]:
    """Entity type and template of --link-template-of; None removes it."""
    entity_type, sign, template = given.partition("=")
    if not sign or is_blank(entity_type):
        raise RefusalError(
            f"--link-template-of {given!r} is not TYPE=TEMPLATE, such as item=https://x.example/{{externalId}}."
        )
    return entity_type, template or None


def _text(given: str | None) -> str | UnsetType | None:
    """The value to set: none for an empty text, and UNSET for an option that is left out."""
    return UNSET if given is None else given or None


@system_app.command(name="list")
def list_systems(*, company: Company, json: AsJson = False, options: Options | None = None) -> None:
    """List the external systems of a company."""
    with registry(options) as conn, conn.transaction():
        companies.act(conn, session(company))
        columns = ("integration", "name", "system url", "link template", "default", "active")
        found = systems.listed(conn, company)
    if json:
        answer_json([_as_json(system) for system in found])
    else:
        show(columns, found)


def _as_json(system: System) -> dict[str, object]:
    raw = {
        name: None if text is None else msgspec.Raw(text.encode())
        for name, text in (("metadata", system.metadata), ("linkTemplates", system.link_templates))
    }
    return {**msgspec.to_builtins(system), **raw}


@system_app.command(name="remove")
def remove_system(integration: Integration, /, *, company: Company, options: Options | None = None) -> None:
    """Remove the settings of an external system; its mappings stay and become historical."""
    with registry(options) as conn, conn.transaction():
        companies.act(conn, session(company))
        if not systems.remove(conn, company, integration):
            raise RefusalError(f"The company {company} has no external system {integration!r}.")
    answer(f"Removed the external system {integration}; its mappings stay.")
