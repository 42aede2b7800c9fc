"""The mappings of elements: what the element face links, unlinks and lists as bindings."""

from dataclasses import dataclass

from tieline import problems
from tieline.postgres import run as constraints
from tieline.postgres.connections import Connections, DatabaseError
from tieline.postgres.session import Session

EXTERNAL_ID_KEY = "externalIntegrationMapping_externalId_key"
NOTHING_LEFT = "TL001"
# An index holds so many bytes, whatever the number of characters.
KEY_TOO_LARGE = "54000"
# Another element may get the external id between the look for a holder and the write; then the next look finds it.
LINK_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Link:
    """What a link request gives: the system's address or None for the default; each of the two may be left out."""

    system_url: str | None
    external_id: str | None
    has_external_id: bool
    link: str | None
    has_link: bool


@dataclass(frozen=True, slots=True)
class Unlink:
    """Which binding goes: the historical one, or the one in the system of this address (None: the default)."""

    system_url: str | None
    historical: bool


async def list_of_element(connections: Connections, session: Session, element_id: int) -> bytes | None:
    """The element's bindings as a JSON array, oldest first; None if there is no such element."""
    rows = await constraints.run(connections, session, "mappings/list", str(element_id))
    return rows[0][0] if rows else None


async def link(connections: Connections, session: Session, element_id: int, wanted: Link) -> bytes:
    """Create or update the element's binding in the system that is meant; its JSON.

    Raises:
        Problem: no such element, no or no clear system, the external id is another element's, nothing left to link.
    """
    for _ in range(LINK_ATTEMPTS):
        try:
            return await _link(connections, session, element_id, wanted)
        except DatabaseError as error:
            if error.sqlstate == NOTHING_LEFT:
                raise problems.nothing_left(error.message) from error
            if error.sqlstate == KEY_TOO_LARGE:
                raise problems.external_id_too_large() from error
            if error.constraint != EXTERNAL_ID_KEY:
                raise
    raise problems.external_id_taken(str(wanted.external_id), None)


async def _link(connections: Connections, session: Session, element_id: int, wanted: Link) -> bytes:
    rows = await constraints.run(
        connections,
        session,
        "mappings/link",
        str(element_id),
        wanted.system_url,
        str(wanted.has_external_id).lower(),
        wanted.external_id,
        str(wanted.has_link).lower(),
        wanted.link,
    )
    binding, element_found, system_found, holder, systems = rows[0]
    _require(element_found, system_found, element_id, wanted.system_url, systems)
    if holder is not None:
        raise problems.external_id_taken(str(wanted.external_id), holder.decode())
    assert binding is not None, "an element and a system that are there are linked"
    return binding


async def unlink(connections: Connections, session: Session, element_id: int, wanted: Unlink) -> bytes:
    """Delete the binding that is meant; its JSON as it was.

    Raises:
        Problem: no such element, no or no clear system, nothing linked there.
    """
    historical = str(wanted.historical).lower()
    rows = await constraints.run(
        connections, session, "mappings/unlink", str(element_id), historical, wanted.system_url
    )
    binding, element_found, system_found, candidates = rows[0]
    _require(element_found, system_found, element_id, wanted.system_url, candidates)
    if binding is None:
        if wanted.historical and candidates != b"[]":
            raise problems.several_historical(candidates or b"[]")
        raise problems.nothing_linked(element_id)
    return binding


def _require(
    element_found: bytes | None,
    system_found: bytes | None,
    element_id: int,
    system_url: str | None,
    systems: bytes | None,
) -> None:
    if element_found == b"f":
        raise problems.element_not_found(element_id)
    if system_found == b"f":
        if system_url is not None:
            raise problems.system_unknown(system_url)
        raise problems.system_unclear(systems or b"[]")
