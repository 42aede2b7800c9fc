"""A pooler between Tieline and PostgreSQL, such as PgBouncer in transaction mode.

Such a pooler gives each transaction to any of its own connections to PostgreSQL. Settings of a session and prepared
statements would stay behind on that connection and meet other clients' transactions there. So behind a pooler nothing
is prepared, and each transaction brings its settings along.
"""

from collections.abc import Mapping
from typing import LiteralString

import psycopg

from tieline.postgres.pipeline import SETTINGS_SQL, SETTINGS_TIME_ZONE_SQL
from tieline.settings import Settings
from tieline.sql.statement import shipped

# jit: PostgreSQL overrates the cost of json_to_recordset, and would compile statements that take a millisecond.
# Parallel workers would give one statement several cores, and its company more than its share of connections.
SESSION: dict[LiteralString, LiteralString] = {
    "role": "tieline_server",
    "search_path": "tieline",
    "TimeZone": "UTC",
    "default_text_search_config": "pg_catalog.english",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "DateStyle": "ISO",
}
# The settings that functions and triggers look up (sql/functions/limit_of.sql).
LIMITS = (
    "answer_bytes_max",
    "candidates_max",
    "metadata_bytes_max",
    "metadata_shown_bytes_max",
    "number_digits_max",
    "text_bytes_max",
)
SELECT = b"select "
# PostgreSQL's number of the connection. A pooler tells its clients numbers of its own.
BACKEND = "select pg_backend_pid()"


def session_sql(settings: Settings, statement_timeout_ms: int) -> bytes:
    """The SQL that makes a new connection one of the server's role, with this timeout for each statement."""
    return _settings(settings, statement_timeout_ms, "false")


def transaction_sql(settings: Settings, statement_timeout_ms: int) -> tuple[bytes, bytes]:
    """SETTINGS_SQL and SETTINGS_TIME_ZONE_SQL, with those of `session_sql` for the transaction alone."""
    brought = _settings(settings, statement_timeout_ms, "true") + b", "
    # The request's own time zone comes after ours.
    return brought + SETTINGS_SQL.removeprefix(SELECT), brought + SETTINGS_TIME_ZONE_SQL.removeprefix(SELECT)


def limits_sql(settings: Settings) -> bytes:
    """The SQL that sets the limits which functions and triggers look up, to the end of the transaction."""
    return SELECT + _set_all({f"tieline.{name}": str(getattr(settings, name)) for name in LIMITS}, "true").encode()


def advice(refusal: str) -> str:
    """The setting of the pooler that mends a refusal; empty, if the pooler is not its reason."""
    return ". Set pool_mode = transaction in the pooler." if "statement pooling mode" in refusal else ""


def unprepare_if_pooled(conn: psycopg.Connection, backend: int) -> None:
    """Prepare nothing on a connection through a pooler. `backend`: what BACKEND has answered on it."""
    if conn.info.backend_pid != backend:
        conn.prepare_threshold = None


def is_pooled(conn: psycopg.Connection) -> bool:
    """True if `unprepare_if_pooled` has found a pooler."""
    return conn.prepare_threshold is None


def _settings(settings: Settings, statement_timeout_ms: int, is_local: LiteralString) -> bytes:
    limits = {f"tieline.{name}": str(getattr(settings, name)) for name in LIMITS}
    times = {"statement_timeout": str(statement_timeout_ms), "work_mem": f"{settings.work_mem_kb}kB"}
    given = {**SESSION, **limits, **times}
    ours = _set_all(given, is_local)
    # Before the role, which may set less.
    quiet = shipped("session/quiet").replace(", false)", f", {is_local})")
    files = f"set_config('temp_file_limit', '{settings.temp_file_kb_max}kB', {is_local})"
    return f"{quiet}, case when has_parameter_privilege('temp_file_limit', 'SET') then {files} end, {ours}".encode()


def _set_all(given: Mapping[str, str], is_local: LiteralString) -> str:
    return ", ".join([f"set_config('{name}', '{value}', {is_local})" for name, value in given.items()])
