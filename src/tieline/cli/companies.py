"""`tieline company`: the companies of the registry."""

from typing import Annotated

from cyclopts import App, Parameter

from tieline.cli.terminal import AsJson, Options, RefusalError, answer, registry, show
from tieline.store import companies

CompanyId = Annotated[str, Parameter(name="ID", help="The company's id, of your own choice.")]

company_app = App(name="company", help="The companies (tenants). Each owns its systems, elements, mappings and keys.")


@company_app.command(name="add")
def add_company(
    id_: CompanyId,
    /,
    *,
    name: Annotated[str | None, Parameter(help="Its name.", show_default="the id")] = None,
    options: Options | None = None,
) -> None:
    """Add a company."""
    if not id_.strip():
        raise RefusalError("A company's id cannot be blank.")
    with registry(options) as conn:
        companies.add(conn, id_, name or id_)
    answer(f"Added the company {id_}.")


@company_app.command(name="list")
def list_companies(*, json: AsJson = False, options: Options | None = None) -> None:
    """List the companies."""
    with registry(options) as conn:
        show(("id", "name", "created"), companies.listed(conn), as_json=json)
