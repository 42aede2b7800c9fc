"""A database that goes away under a command is a sentence, at whatever step it happens."""
# ruff: noqa: F811 -- a fixture that a test takes is imported by its name

import subprocess
import time

import psycopg
import pytest
from installed import folder, new_folder, tieline  # noqa: F401 -- fixtures

from conftest import new_database


def waiting(conn):
    """The sessions that wait for a lock of this database, once there is one."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = conn.execute(
            """select pid from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database() and pid <> pg_backend_pid()"""
        ).fetchall()
        if found:
            return [pid for (pid,) in found]
        time.sleep(0.05)
    raise AssertionError


@pytest.mark.parametrize(
    ("arguments", "table"),
    [
        (("system", "set", "xero", "--default"), "externalSystem"),
        (("system", "list"), "externalSystem"),
        (("key", "create"), "apiKey"),
    ],
)
def test_a_session_that_is_ended_under_a_command_is_a_sentence(folder, postgres, arguments, table):
    with new_database(postgres) as own, psycopg.connect(own.dsn, autocommit=True) as conn:
        own.execute("insert into tieline.company (id, name) values ('acme', 'Acme')")
        with psycopg.connect(own.dsn) as holder:
            holder.execute(f'lock table tieline."{table}" in access exclusive mode')
            process = subprocess.Popen(
                [folder.program, *arguments, "--company", "acme"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=folder.environment({"TIELINE_DATABASE_URL": own.dsn}),
            )
            for pid in waiting(conn):
                conn.execute("select pg_terminate_backend(%s)", (pid,))
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        assert err == (
            "The connection to the database was lost, and what was under way may not be done: "
            "terminating connection due to administrator command.\n"
        )
