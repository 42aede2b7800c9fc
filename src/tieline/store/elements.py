"""Elements: the company's own records that external systems are linked to."""

from dataclasses import dataclass

from tieline import problems
from tieline.postgres import run as constraints
from tieline.postgres.connections import Connections, DatabaseError, Row
from tieline.postgres.session import Session


@dataclass(frozen=True, slots=True)
class Page:
    """The elements of a page as JSON. The next page follows `last_id`; None: there is no next page."""

    content: bytes
    last_id: int | None


async def find(connections: Connections, session: Session, element_id: int) -> bytes | None:
    """The element as JSON."""
    return _first(await constraints.run(connections, session, "elements/find", str(element_id)))


async def list_after(connections: Connections, session: Session, last_id: int, size: int) -> Page:
    """The elements with greater ids, in their order."""
    return _page((await constraints.run(connections, session, "elements/list", str(last_id), str(size)))[0])


async def list_by_external_id(
    connections: Connections, session: Session, last_id: int, size: int, external_id: str, system_url: str | None
) -> Page:
    """The elements with this external id, in one system or in any.

    Raises:
        Problem: the company has no active external system of that address.
    """
    rows = await constraints.run(
        connections, session, "elements/list_by_external_id", str(last_id), str(size), external_id, system_url
    )
    if rows[0][3] == b"f":
        raise problems.system_unknown(str(system_url), "query")
    return _page(rows[0])


async def add(connections: Connections, session: Session, element_id: int | None, title: str) -> bytes:
    """Register an element, under the next id if none is given; its JSON.

    Raises:
        Problem: the id is taken, or the company was deleted a moment ago.
    """
    given = None if element_id is None else str(element_id)
    try:
        added = _first(await constraints.run(connections, session, "elements/add", given, title))
    except DatabaseError as error:
        if error.constraint == "element_pkey":
            raise problems.element_exists(element_id) from error
        raise
    if added is None:
        raise problems.unauthorized("The key is not known, has expired or was revoked.")
    return added


async def change(connections: Connections, session: Session, element_id: int, title: str | None) -> bytes | None:
    """Give the element another title, unless that is None; its JSON, or None if it is not there."""
    given = "false" if title is None else "true"
    return _first(await constraints.run(connections, session, "elements/change", str(element_id), given, title))


async def remove(connections: Connections, session: Session, element_id: int) -> bool:
    """Delete the element and its mappings; False if there is no such element."""
    return bool(await constraints.run(connections, session, "elements/remove", str(element_id)))


def _first(rows: list[Row]) -> bytes | None:
    return rows[0][0] if rows else None


def _page(row: Row) -> Page:
    content, has_more, last_id = row[0] or b"[]", row[1], row[2]
    return Page(content, int(last_id) if has_more == b"t" and last_id is not None else None)
