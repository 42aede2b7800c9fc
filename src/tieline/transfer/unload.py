"""Export a company's rows as a file, streamed from COPY in constant memory. An import takes it back unchanged."""

from typing import IO

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus

from tieline.postgres.session import Session
from tieline.store.companies import act
from tieline.transfer import exports
from tieline.transfer.columns import What
from tieline.transfer.formats import TextFormat

# The least size of a piece that is written. The database sends one row at a time.
CHUNK_BYTES_MIN = 65_536


def unload(conn: psycopg.Connection, what: What, form: TextFormat, session: Session, stream: IO[bytes]) -> None:
    """Write all rows as of one moment, in the order of `exports.TABLES`.

    Raises:
        UnknownCompanyError: there is no such company.
        OSError: the stream cannot be written to.
    """
    try:
        conn.execute("begin isolation level repeatable read, read only")
        act(conn, session)
        # COPY takes no parameters: the company is quoted into it by the driver.
        statement = psycopg.ClientCursor(conn).mogrify(exports.statement(what, form), (session.company_id,))
        _copy(conn, statement.encode(), stream)
        conn.execute("commit")
    except BaseException:
        # Rows that nobody reads any more would keep the connection busy.
        conn.close()
        raise
    stream.flush()


def _copy(conn: psycopg.Connection, statement: bytes, stream: IO[bytes]) -> None:
    """Copy with libpq's own calls: psycopg's loop needs half as much time again as PostgreSQL itself."""
    pgconn = conn.pgconn
    _require(pgconn.exec_(statement), ExecStatus.COPY_OUT)
    chunk = bytearray()
    while True:
        size, data = pgconn.get_copy_data(0)
        if size <= 0:
            break
        chunk += data
        if len(chunk) >= CHUNK_BYTES_MIN:
            stream.write(chunk)
            chunk = bytearray()
    stream.write(chunk)
    _require(pgconn.get_result(), ExecStatus.COMMAND_OK)
    rest = pgconn.get_result()
    assert rest is None, "one statement has one result"


def _require(result: psycopg.pq.abc.PGresult | None, status: ExecStatus) -> None:
    if result is None or result.status != status:
        message = result.error_message.decode(errors="replace").strip() if result else "the connection was lost"
        raise errors.OperationalError(message)
