"""A server that is told to end says what had landed of the imports that it cuts short."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

from conftest import Company, start_server, stop_server
from tieline.transfer.load import BATCH_ROWS_MAX

HEADER = b"entityType,entityId,integration,externalId\n"
CSV = {"content-type": "text/csv"}


def test_an_import_that_outlasts_the_grace_time_reports_what_landed(new_company, database, open_folder):
    made = new_company()
    options = ("--database-url", database.dsn, "--data-dir", str(open_folder / "ending"))
    server = start_server(open_folder, *options, TIELINE_SHUTDOWN_GRACE_MS="1000")
    company = Company(made.id, server, database, made.keys)
    with company.client() as client, psycopg.connect(database.dsn) as holder, ThreadPoolExecutor(2) as threads:
        held = client.post("/import/mappings", content=HEADER + b"item,held,xero,held\n", headers=CSV)
        assert held.json()["created"] == 1
        holder.execute('select from tieline."externalIntegrationMapping" where "externalId" = %s for update', ("held",))
        rows = [b"item,%d,xero,%d\n" % (n, n) for n in range(BATCH_ROWS_MAX)]
        later = [b"item,held,xero,changed\n", *(b"item,l%d,xero,l%d\n" % (n, n) for n in range(BATCH_ROWS_MAX))]
        sent = threads.submit(client.post, "/import/mappings", content=HEADER + b"".join(rows + later), headers=CSV)
        waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        until = time.monotonic() + 30
        while not database.execute(waits)[0][0] and time.monotonic() < until:
            time.sleep(0.05)
        ended = threads.submit(stop_server, server)
        time.sleep(2.5)
        # The batch that waits goes on only after the grace time is over; then no further one begins.
        holder.rollback()
        answer = sent.result()
        assert ended.result() == 0
    assert answer.status_code == 503, answer.text
    told = answer.json()
    assert told["details"] == "The server is shutting down."
    assert told["created"] in {BATCH_ROWS_MAX, 2 * BATCH_ROWS_MAX - 1}
    assert told["stoppedAtLine"] == told["created"] + told["updated"] + 2
    count = 'select count(*) from tieline."externalIntegrationMapping" where "companyId" = %s'
    assert database.execute(count, company.id) == [(told["created"] + 1,)]
