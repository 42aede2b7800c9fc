"""The filters of the dialect that choose the rows of an export."""

from urllib.parse import unquote

from tieline import problems
from tieline.dialect import choice
from tieline.dialect.statement import Limits
from tieline.sql.statement import Sql
from tieline.transfer.columns import What

RESOURCES: dict[What, str] = {"mappings": "externalIntegrationMapping", "systems": "externalSystem"}

SHOWN_MAX = 100


def chosen(what: What, query: str, company: str, limits: Limits) -> Sql | None:
    """The statement for the identities of the rows that the filters of a query string choose; None: all rows.

    Raises:
        Problem: they cannot be read, or there are none for this kind of rows.
    """
    if not query:
        return None
    resource = RESOURCES.get(what)
    if resource is None:
        raise problems.bad_request(f"An export of {what} takes no filters; it writes all of them.")
    # The mapping face passes over a parameter without "=", as PostgREST does; an export would then write all rows.
    bare = next((part for part in query.split("&") if "=" not in part), None)
    if bare is not None:
        raise problems.bad_request(f"{unquote(bare)[:SHOWN_MAX]!r} is no filter; one is column=operator.value.")
    return choice.chosen(resource, query, company, limits)
