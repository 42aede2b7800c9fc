"""`tieline company`: the companies of the registry."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from tieline.cli.terminal import AsJson, Options, RefusalError, answer, registry, say, session, show
from tieline.store import companies
from tieline.store.companies import Company

CompanyId = Annotated[str, Parameter(name="ID", help="The company's id, of your own choice.")]

company_app = App(name="company", help="The companies (tenants). Each owns its systems, elements, mappings and keys.")


@company_app.command(name="add")
def add_company(
    id_: CompanyId,
    /,
    *,
    name: Annotated[str | None, Parameter(help="Its name.", show_default="the id")] = None,
    strict: Annotated[
        bool, Parameter(negative="", help="Refuse mappings of systems that it does not have.", show_default="no")
    ] = False,
    options: Options | None = None,
) -> None:
    """Add a company."""
    if not id_.strip():
        raise RefusalError("A company's id cannot be blank.")
    with registry(options) as conn:
        companies.add(conn, id_, name or id_, is_strict=strict)
    answer(f"Added the company {id_}.")


@company_app.command(name="list")
def list_companies(*, json: AsJson = False, options: Options | None = None) -> None:
    """List the companies."""
    with registry(options) as conn:
        show(("id", "name", "created", "strict"), companies.listed(conn), as_json=json)


@company_app.command(name="remove")
def remove_company(
    id_: Annotated[str, Parameter(name="ID", help="The company's id.")],
    /,
    *,
    yes: Annotated[bool, Parameter(negative="", help="Remove it without asking.", show_default="no")] = False,
    options: Options | None = None,
) -> None:
    """Remove a company for good, with all its keys, systems, elements and mappings and their history."""
    with registry(options) as conn:
        company = companies.find(conn, id_)
        if company is None:
            raise RefusalError(f"There is no company {id_!r}.")
        if not yes:
            _ask(company)
        companies.remove(conn, session(id_))
    answer(f"Removed the company {id_}.")


def _ask(company: Company) -> None:
    """Let the user type the id again.

    Raises:
        RefusalError: it was another text, or there is nobody who types.
    """
    say(f"This removes all that the company {company.id} ({company.name}) has, its history too. Type its id to go on:")
    typed = sys.stdin.readline().strip()
    if typed != company.id.strip():
        raise RefusalError(f"Nothing was removed: {typed!r} is not {company.id!r}. Without a terminal, give --yes.")
