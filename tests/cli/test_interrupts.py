# ruff: noqa: F811 -- a fixture that a test takes is imported by its name
"""Ctrl-C, SIGTERM and a database that goes away while a file goes in or out."""

import os
import signal
import subprocess
import time

import psycopg
import pytest
from installed import command, company, new_folder, tieline  # noqa: F401 -- fixtures

from tieline.transfer.load import BATCH_ROWS_MAX

HEADING = "entityType,entityId,integration,externalId\n"
BATCH = "".join(f"item,{number},xero,{number}\n" for number in range(BATCH_ROWS_MAX))
SECONDS_MAX = 60
AGAIN = "did not land. Import them again, under the first line of the file.\n"


@pytest.fixture
def start(tieline, database, company):
    """Start a command on the company."""
    started = []

    def run(name, *arguments):
        started.append(
            subprocess.Popen(
                # Processes that are started in the background ignore the signal, and pass that on to the tests.
                ["env", "--default-signal=INT", tieline, name, *arguments, "--company", company, "--what", "mappings"],
                env={**os.environ, "TIELINE_DATABASE_URL": f"{database.dsn} application_name={company}"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def until(condition):
    end = time.monotonic() + SECONDS_MAX
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.05)
    return found


def ended(process, text=None):
    out, err = process.communicate(text, timeout=SECONDS_MAX)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def is_idle(database, company):
    """The import has looked at the table, and waits for its next rows."""
    state = """select state = 'idle' and query not ilike 'set %%' and query <> 'COMMIT'
        from pg_stat_activity where application_name = %s"""
    return lambda: (True,) in database.execute(state, company)


def landed(database, company):
    count = 'select count(*) from tieline."externalIntegrationMapping" where "companyId" = %s'
    return database.execute(count, company)[0][0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_says_what_landed_and_what_did_not(start, database, company, number):
    process = start("import", "-", "--format", "csv")
    process.stdin.write(HEADING + BATCH + "item,last,xero,last\n")
    process.stdin.flush()
    until(lambda: landed(database, company) == BATCH_ROWS_MAX)
    until(is_idle(database, company))
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out.split(",")[:2]) == (128 + number, ["10", "000 created"])
    assert err == f"Interrupted. The rows from line 10,002 on {AGAIN}"


def test_an_import_that_is_interrupted_before_its_first_batch_says_that_no_row_landed(start, database, company):
    process = start("import", "-", "--format", "csv")
    process.stdin.write(HEADING)
    process.stdin.flush()
    until(is_idle(database, company))
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out.startswith("0 created"), err) == (130, True, "Interrupted. No row landed.\n")


@pytest.mark.parametrize("count", [1, 2])
def test_an_interrupt_waits_for_the_batch_under_way_and_a_second_one_does_not(start, database, company, count):
    add = """insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration)
        values (%s, 'item', '0', 'xero')"""
    database.execute(add, company)
    with psycopg.connect(database.dsn) as holder:
        hold = 'select from tieline."externalIntegrationMapping" where "companyId" = %s for update'
        holder.execute(hold, (company,))
        process = start("import", "-", "--format", "csv")
        process.stdin.write(HEADING + BATCH)
        process.stdin.flush()
        waits = "select wait_event_type = 'Lock' from pg_stat_activity where application_name = %s"
        until(lambda: database.execute(waits, company) == [(True,)])
        process.send_signal(signal.SIGINT)
        if count == 1:
            time.sleep(0.3)
            assert process.poll() is None
        else:
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS_MAX) == 130
        holder.rollback()
    code, out, err = ended(process)
    assert code == 130
    if count == 1:
        assert out.startswith("9,999 created, 1 updated")
        assert err == f"Interrupted. The rows after line 10,001 {AGAIN}"
    else:
        assert out.startswith("0 created")
        assert err.startswith("Interrupted. Whether the batch that was under way landed is not known. ")


def test_a_database_that_goes_away_is_told_with_what_landed(start, database, company):
    process = start("import", "-", "--format", "csv")
    process.stdin.write(HEADING + BATCH)
    process.stdin.flush()
    until(lambda: landed(database, company) == BATCH_ROWS_MAX)
    until(is_idle(database, company))
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"
    assert (True,) in database.execute(end, company)
    code, out, err = ended(process, "item,last,xero,last\n")
    assert (code, out.split(",")[:2]) == (1, ["10", "000 created"])
    assert err.startswith("The batch of lines 10002 to 10002 did not land: ")
    assert err.endswith(f". The rows from line 10,002 on {AGAIN}")


@pytest.fixture
def filled(database, company):
    rows = """
        insert into tieline."externalIntegrationMapping" ("companyId", "entityType", "entityId", integration, link)
        select %s, 'item', n::text, 'xero', repeat('x', 2000) from generate_series(1, 20000) n"""
    database.execute(rows, company)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_no_file(start, filled, tmp_path, number):
    folder = tmp_path / "out"
    folder.mkdir()
    process = start("export", "--output", folder / "all.csv")
    until(lambda: list(folder.iterdir()))
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out, err) == (128 + number, "", "")
    assert list(folder.iterdir()) == []
