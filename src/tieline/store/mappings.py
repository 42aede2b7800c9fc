"""Mappings: look-ups of many ids, claims, single mappings by their ids, and the links of elements.

Times are ISO 8601 text in UTC, as PostgreSQL holds more of them than a datetime.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from tieline import problems
from tieline.postgres.connections import Connections, DatabaseError
from tieline.postgres.run import run
from tieline.postgres.session import Session
from tieline.postgres.transactions import Connection, Transactions
from tieline.sql.statement import json_text
from tieline.store.batches import link_many as batch
from tieline.store.batches.find import Options
from tieline.store.batches.results import Result
from tieline.store.batches.rows import Mapping, MappingRow

EXTERNAL_ID_KEY = "externalIntegrationMapping_externalId_key"
NOTHING_LEFT = "TL001"
# An index holds so many bytes, whatever the number of characters.
KEY_TOO_LARGE = "54000"
# The code that fits.sql raises, with the setting as its message and the value as its detail.
TOO_LARGE = "TL413"
# Another element may get the external id between the look for a holder and the write; then the next look finds it.
LINK_ATTEMPTS = 3


class EntityMapping(Mapping, frozen=True, rename="camel", kw_only=True):
    """A mapping beside its system. `is_current`: the system is among the company's active ones."""

    is_current: bool


class Candidate(msgspec.Struct, frozen=True, rename="camel"):
    """One of several entities that share an external id."""

    entity_type: str
    entity_id: str
    mapping_id: str


class Resolved(msgspec.Struct, frozen=True, rename="camel"):
    """The entity of an external id; `candidates` are the first 100 if it is ambiguous."""

    external_id: str
    status: Literal["linked", "unknown", "ambiguous"]
    entity_type: str | None
    entity_id: str | None
    mapping_id: str | None
    candidates: list[Candidate]


class Located(msgspec.Struct, frozen=True, rename="camel"):
    """The external id and link of an entity; the link may be made from the system's template."""

    entity_id: str
    status: Literal["linked", "unlinked"]
    external_id: str | None
    link: str | None
    mapping_id: str | None


class Translation(msgspec.Struct, frozen=True, rename="camel"):
    """An entity and its external id and link in the other system."""

    entity_type: str
    entity_id: str
    external_id: str | None
    link: str | None


class Translated(msgspec.Struct, frozen=True, rename="camel"):
    """The ids in one system for an external id of another; several if it is ambiguous, 100 at the most."""

    external_id: str
    status: Literal["linked", "unknown", "unlinked", "ambiguous"]
    translations: list[Translation]


class Claimed(msgspec.Struct, frozen=True):
    """The outcome of a claim, and the mapping that was created, was there, or is in the way."""

    outcome: Literal["created", "existing", "conflict"]
    mapping: Mapping


@dataclass(frozen=True, slots=True)
class Link:
    """A request to link. `system_url`: None means the default system; external id and link may each be left out."""

    system_url: str | None
    external_id: str | None
    has_external_id: bool
    link: str | None
    has_link: bool


@dataclass(frozen=True, slots=True)
class Unlink:
    """A request to unlink: the historical binding, or the one in the system of this address (None: the default)."""

    system_url: str | None
    historical: bool


async def resolve(
    connections: Connections,
    session: Session,
    integration: str,
    external_ids: Sequence[str],
    entity_type: str | None = None,
) -> list[Resolved]:
    """Find the entities of external ids, each in the order asked; of any entity type if none is given.

    Raises:
        Problem: an id cannot be stored, or the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "mappings/resolve", integration, entity_type, json_text(external_ids))
    return msgspec.json.decode(rows[0][0] or b"", type=list[Resolved])


async def locate(
    connections: Connections, session: Session, integration: str, entity_type: str, entity_ids: Sequence[str]
) -> list[Located]:
    """Find the external ids of entities, each in the order asked.

    Raises:
        Problem: an id cannot be stored, or the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "mappings/locate", integration, entity_type, json_text(entity_ids))
    return msgspec.json.decode(rows[0][0] or b"", type=list[Located])


async def translate(
    connections: Connections,
    session: Session,
    systems: tuple[str, str],
    external_ids: Sequence[str],
    entity_type: str | None = None,
) -> list[Translated]:
    """Find the ids in the second of two systems (integrations) for external ids of the first, in the order asked.

    Raises:
        Problem: an id cannot be stored, or the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "mappings/translate", *systems, entity_type, json_text(external_ids))
    return msgspec.json.decode(rows[0][0] or b"", type=list[Translated])


async def claim(
    connections: Connections,
    session: Session,
    entity: tuple[str, str],
    integration: str,
    external_id: str,
) -> Claimed:
    """Link an entity (type and id) for the first time; of several callers at once exactly one gets `created`.

    Raises:
        DatabaseError: a value is too long for an index.
        Problem: a value cannot be stored, or the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "mappings/claim", *entity, integration, external_id)
    return msgspec.json.decode(rows[0][0] or b"", type=Claimed)


async def link_many(
    transactions: Transactions,
    session: Session,
    rows: Sequence[MappingRow],
    options: Options | None = None,
    *,
    atomic: bool = False,
    rollback: bool = False,
) -> list[Result]:
    """Create and change mappings as one change of state; a result for each row, in their order.

    `atomic`: all rows land or none. `rollback`: a dry run with the same results.

    Raises:
        DatabaseError: the batch met other writers at every attempt.
        Problem: the batch is atomic and a row cannot land, or the database is away or does not finish in time.
    """

    def work(conn: Connection) -> list[Result]:
        return batch.link_many(conn, session.company_id, rows, options, atomic=atomic)

    return await transactions.run(session, work, rollback=rollback)


async def find(connections: Connections, session: Session, mapping_id: str) -> Mapping | None:
    """The mapping with this id.

    Raises:
        Problem: the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "mappings/find", mapping_id)
    return msgspec.json.decode(rows[0][0] or b"", type=Mapping) if rows else None


async def of_entity(
    connections: Connections, session: Session, entity_type: str, entity_id: str
) -> list[EntityMapping]:
    """All mappings of an entity by their integrations, historical and emptied ones included.

    Raises:
        Problem: the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "mappings/of_entity", entity_type, entity_id)
    return msgspec.json.decode(rows[0][0] or b"", type=list[EntityMapping])


async def remove(connections: Connections, session: Session, mapping_id: str) -> Mapping | None:
    """Delete the mapping; as it was, or None if there is none with this id.

    Raises:
        Problem: the database cannot be asked or does not finish in time.
    """
    rows = await run(connections, session, "mappings/remove", mapping_id)
    return msgspec.json.decode(rows[0][0] or b"", type=Mapping) if rows else None


async def list_of_element(connections: Connections, session: Session, element_id: int) -> bytes | None:
    """The element's bindings as a JSON array, oldest first; None if there is no such element.

    Raises:
        Problem: they are more than an answer may have; the database cannot be asked or does not finish in time.
    """
    try:
        rows = await run(connections, session, "mappings/list", str(element_id))
    except DatabaseError as error:
        if error.sqlstate == TOO_LARGE:
            raise problems.answer_too_large(error.message, error.detail or "") from error
        raise
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
    rows = await run(
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
    rows = await run(connections, session, "mappings/unlink", str(element_id), historical, wanted.system_url)
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
