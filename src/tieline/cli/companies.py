"""`tieline company`: the companies of the registry."""

from typing import Annotated

from cyclopts import App, Parameter
from msgspec.structs import astuple

from tieline.cli.terminal import Options, RefusalError, answer, registry, show
from tieline.store import companies

company_app = App(name="company", help="The companies (tenants). Each owns its systems, elements, mappings and keys.")


@company_app.command(name="add")
def add_company(
    id_: Annotated[str, Parameter(name="ID")], *, name: str | None = None, options: Options | None = None
) -> None:
    """Add a company."""
    if not id_.strip():
        raise RefusalError("A company's id cannot be blank.")
    with registry(options) as conn:
        companies.add(conn, id_, name or id_)
    answer(f"Added the company {id_}.")


@company_app.command(name="list")
def list_companies(*, options: Options | None = None) -> None:
    """List the companies."""
    with registry(options) as conn:
        show(("id", "name", "created"), [astuple(company) for company in companies.listed(conn)])
