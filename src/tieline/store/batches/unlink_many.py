"""`unlink_many`: delete many mappings in one call, by their ids, their entities or their external ids."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import psycopg
from psycopg import errors

from tieline.problems import Problem
from tieline.sql.statement import json_text, shipped
from tieline.wire import halves

# The most attempts of a call that meets writers which lock the same mappings in another order.
ATTEMPTS_MAX = 8
COLLISIONS = (errors.DeadlockDetected, errors.SerializationFailure)
NULL = msgspec.Raw(b"null")


class Unlinking(msgspec.Struct, frozen=True, rename="camel"):
    """The mappings to delete: by `mapping_ids`, or in one system and entity type by one of the other lists of ids."""

    mapping_ids: list[str] | None = None
    integration: str | None = None
    entity_type: str | None = None
    entity_ids: list[str] | None = None
    external_ids: list[str] | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of the call, in its order."""
        return self.mapping_ids or self.entity_ids or self.external_ids or []


class UnlinkResult(msgspec.Struct, frozen=True, gc=False):
    """The result of an id: the mapping as it was when it was deleted, as JSON, or null if there was none."""

    index: int
    outcome: Literal["deleted", "unknown"]
    mapping: msgspec.Raw = NULL


class _Found(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A mapping to delete, if it is still what the call is about once it is locked."""

    asked: str
    id: str
    external_id: str | None
    must_be_linked: bool


def unlink_many(conn: psycopg.Connection, company_id: str, given: Unlinking, rows_max: int) -> list[UnlinkResult]:
    """Delete mappings, in the caller's transaction, which acts for the company.

    Returns:
        The results in the order of the ids. All mappings that share an external id are deleted, each with a result of
        its own. An id that stands twice in the call finds nothing the second time.

    Raises:
        Problem: 413, more mappings than `rows_max` have these external ids.
        psycopg.errors.SerializationFailure: the call met other writers at every attempt.
    """
    if given.integration is not None:
        conn.execute(shipped("systems/require"), (company_id, given.integration))
    storable = [asked for asked in dict.fromkeys(given.ids) if halves.unstorable(asked) is None]
    attempts = 0
    while True:
        try:
            with conn.transaction():
                return list(_results(given.ids, _delete(conn, company_id, given, storable, rows_max)))
        except COLLISIONS as error:
            attempts += 1
            if attempts == ATTEMPTS_MAX:
                raise errors.SerializationFailure("The call met other writers at every attempt.") from error


def unlink_many_json(conn: psycopg.Connection, company_id: str, arguments: bytes, rows_max: int) -> tuple[bytes, int]:
    """Run `unlink_many` with checked arguments, a JSON object. Gives the results as a JSON array, and their number."""
    results = unlink_many(conn, company_id, msgspec.json.decode(arguments, type=Unlinking), rows_max)
    return msgspec.json.encode(results), len(results)


def _delete(
    conn: psycopg.Connection, company_id: str, given: Unlinking, storable: Sequence[str], rows_max: int
) -> dict[str, list[str]]:
    """Lock and delete. Gives the deleted mappings as JSON, by the id of the call that names them."""
    found = _find(conn, company_id, given, storable, rows_max)
    if not found:
        return {}
    deleted = conn.execute(shipped("batches/unlink"), (company_id, json_text(found))).fetchall()
    by_id = dict(deleted)
    mappings: dict[str, list[str]] = {}
    for each in found:
        if each.id in by_id:
            mappings.setdefault(each.asked, []).append(by_id[each.id])
    return mappings


def _find(
    conn: psycopg.Connection, company_id: str, given: Unlinking, storable: Sequence[str], rows_max: int
) -> list[_Found]:
    """The mappings that the call is about, in the order in which all batches lock them."""
    conn.execute(shipped("batches/plan_by_index"))
    ids = json_text(storable)
    if given.mapping_ids is not None:
        rows = conn.execute(shipped("batches/find_ids"), (company_id, ids)).fetchall()
        rows = [(row[0], *row) for row in rows]
    elif given.entity_ids is not None:
        asked = (company_id, given.integration, given.entity_type, ids)
        rows = conn.execute(shipped("batches/find_entities"), asked).fetchall()
    else:
        asked = (company_id, given.integration, given.entity_type, ids, rows_max + 1)
        rows = conn.execute(shipped("batches/find_external_ids"), asked).fetchall()
    if len(rows) > rows_max:
        raise _too_many(rows_max)
    rows.sort(key=lambda row: row[2:5])
    has_external_ids = given.external_ids is not None
    return [_Found(row[0], row[1], row[5] if has_external_ids else None, given.entity_ids is not None) for row in rows]


def _results(asked: Iterable[str], mappings: dict[str, list[str]]) -> Iterable[UnlinkResult]:
    for index, one in enumerate(asked):
        there = mappings.pop(one, [])
        for mapping in there:
            yield UnlinkResult(index, "deleted", msgspec.Raw(mapping.encode()))
        if not there:
            yield UnlinkResult(index, "unknown")


def _too_many(rows_max: int) -> Problem:
    message = (
        f"More than {rows_max} mappings have these external ids; a call deletes so many, the setting batch_rows_max."
    )
    return Problem("payload-too-large", 413, "54000", message, hint="Delete them by their mappingIds or entityIds.")
