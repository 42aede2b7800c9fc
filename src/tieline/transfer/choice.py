"""The filters of the dialect that choose the rows of an export."""

from tieline import problems
from tieline.dialect import choice
from tieline.dialect.statement import Limits
from tieline.sql.statement import Sql
from tieline.transfer.columns import What

RESOURCES: dict[What, str] = {"mappings": "externalIntegrationMapping", "systems": "externalSystem"}


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
    return choice.chosen(resource, query, company, limits)
