"""Export a company's rows as a file, streamed from COPY in constant memory. An import takes it back unchanged."""

import re
import selectors
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.sql import Literal

from tieline.postgres.session import Session
from tieline.sql.statement import Sql
from tieline.store.companies import act
from tieline.transfer import exports
from tieline.transfer.columns import What
from tieline.transfer.formats import TextFormat

# The least size of a piece that is written. The database sends one row at a time.
CHUNK_BYTES_MIN = 65_536
# How often a reader is asked whether it is still there while the database has nothing to send.
ASK_SECONDS = 1.0
CANCEL_SECONDS_MAX = 5.0
PLACEHOLDER = re.compile(r"\$([0-9]+)")


@dataclass(frozen=True, slots=True)
class Export:
    """The kind of rows, the form of the file, and the statement for the identities of the rows; None: all rows.

    `limits`: the SQL that sets the limits of values.
    """

    what: What
    form: TextFormat
    limits: bytes
    chosen: Sql | None = None


def unload(conn: psycopg.Connection, export: Export, session: Session, stream: IO[bytes]) -> None:
    """Write the rows as of one moment, in the order of `exports.TABLES`.

    Raises:
        UnknownCompanyError: there is no such company.
        OSError: the stream cannot be written to.
    """
    chosen = export.chosen
    text = exports.statement(export.what, export.form, None if chosen is None else chosen.text)
    values = (session.company_id,) if chosen is None else chosen.parameters
    try:
        conn.execute("begin isolation level repeatable read, read only")
        act(conn, session)
        conn.execute(export.limits)
        # COPY takes no parameters: the driver quotes the values into it.
        quoted = PLACEHOLDER.sub(lambda found: Literal(values[int(found[1]) - 1]).as_string(conn), text)
        _copy(conn, quoted.encode(), stream)
        conn.execute("commit")
    except BaseException:
        # Rows that nobody reads any more would keep the connection and its backend busy.
        with suppress(psycopg.Error):
            conn.cancel_safe(timeout=CANCEL_SECONDS_MAX)
        conn.close()
        raise
    stream.flush()


def _copy(conn: psycopg.Connection, statement: bytes, stream: IO[bytes]) -> None:
    """Copy with libpq's own calls: psycopg's loop needs half as much time again as PostgreSQL itself."""
    pgconn = conn.pgconn
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        pgconn.send_query(statement)
        while pgconn.is_busy():
            _receive(pgconn, selector, stream)
        _require(pgconn.get_result(), ExecStatus.COPY_OUT)
        chunk = bytearray()
        while (got := pgconn.get_copy_data(1))[0] >= 0:
            if got[0] == 0:
                _receive(pgconn, selector, stream)
                continue
            chunk += got[1]
            if len(chunk) >= CHUNK_BYTES_MIN:
                stream.write(chunk)
                chunk = bytearray()
    stream.write(chunk)
    _require(pgconn.get_result(), ExecStatus.COMMAND_OK)
    rest = pgconn.get_result()
    assert rest is None, "one statement has one result"


def _receive(pgconn: PGconn, selector: selectors.BaseSelector, stream: IO[bytes]) -> None:
    """Wait for the database's next bytes. Signals interrupt this wait; one inside of libpq would go on."""
    while not selector.select(ASK_SECONDS):
        # A reader that has gone is noticed here.
        stream.flush()
    pgconn.consume_input()


def _require(result: PGresult | None, status: ExecStatus) -> None:
    if result is None:
        raise errors.OperationalError("the connection was lost")
    if result.status != status:
        raise errors.error_from_result(result)
