"""A company without a server, and its files."""

import io
import secrets
from dataclasses import dataclass, replace

import pytest

from tieline.postgres.database import connected
from tieline.postgres.pooler import limits_sql
from tieline.postgres.session import Session
from tieline.settings import load as load_settings
from tieline.transfer import records
from tieline.transfer.landed import Job, Landed
from tieline.transfer.load import load
from tieline.transfer.unload import Export, unload

SETTINGS = load_settings({}, {})
READING, LIMITS = records.reading(SETTINGS), limits_sql(SETTINGS)
COUNTED = ("created", "updated", "unchanged", "kept", "skipped")


def read(content, what="mappings", form="csv", sheet="", bytes_max=None):
    """The columns and records of a file."""
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return records.read(stream, form, what, replace(READING, sheet=sheet, unpacked_bytes_max=bytes_max))


@dataclass
class Loaded:
    """The end of a load: the counts that are not zero, and by line the refused rows and the moved ids."""

    counts: dict
    refused: dict
    holders: dict
    moved: dict


@dataclass
class Registry:
    """A company of the database, and what can be done with its files."""

    id: str
    database: object

    def load(self, what, text, form="csv", **job):
        """Load a file's text as the command line would."""
        return self.load_records(what, read(text, what, form).records, **job)

    def load_records(self, what, records, on_batch=None, **job):
        landed = Landed()

        def report(batch):
            landed.add(batch)
            if on_batch is not None:
                on_batch(batch)

        with connected(self.database.dsn) as conn:
            load(conn, records, Job(what, Session(self.id, "cli:ann", "import_1"), LIMITS, **job), report)
        counts = {name: getattr(landed, name) for name in COUNTED if getattr(landed, name)}
        return Loaded(
            counts,
            {refused.line: refused.reason for refused in landed.refused},
            {
                refused.line: (refused.holder.entity_type, refused.holder.entity_id, refused.holder.mapping_id)
                for refused in landed.refused
                if refused.holder is not None
            },
            {moved.record.line: (moved.loser.entity_type, moved.loser.entity_id) for moved in landed.moved},
        )

    def export(self, what, form="csv"):
        """The file of a company."""
        stream = io.BytesIO()
        with connected(self.database.dsn) as conn:
            unload(conn, Export(what, form, LIMITS), Session(self.id, "cli:ann"), stream)
        return stream.getvalue()

    def mappings(self, columns='"entityId", "externalId"'):
        return self.database.execute(
            f'select {columns} from tieline."externalIntegrationMapping" where "companyId" = %s order by "entityId"',
            self.id,
        )

    def changes(self, columns="operation"):
        return self.database.execute(
            f'select {columns} from tieline."mappingChange" where "companyId" = %s order by position', self.id
        )


def make_registry(database):
    company_id = f"co-{secrets.token_hex(6)}"
    database.execute("insert into tieline.company (id, name) values (%s, %s)", company_id, company_id)
    return Registry(company_id, database)


@pytest.fixture
def ours(database):
    return make_registry(database)


@pytest.fixture
def theirs(database):
    return make_registry(database)
