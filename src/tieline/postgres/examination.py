"""A look at a database that changes nothing, for `tieline doctor`."""

from dataclasses import dataclass, field

from tieline.postgres.database import connected
from tieline.postgres.migrate import shipped_migrations
from tieline.sql.statement import shipped

INDEXES = (
    "company_pkey",
    "externalSystem_pkey",
    "externalSystem_companyId_isDefault_key",
    "externalSystem_companyId_canonical_key",
    "externalIntegrationMapping_pkey",
    "externalIntegrationMapping_entity_key",
    "externalIntegrationMapping_externalId_key",
    "externalIntegrationMapping_externalId_idx",
    "element_pkey",
    "apiKey_pkey",
    "apiKey_keyHash_idx",
    "mappingChange_pkey",
    "mappingChange_mappingId_idx",
)


@dataclass(slots=True)
class Database:
    """What was found; the lists name what is wrong."""

    version: int
    version_text: str
    encoding: str
    collation: str
    sorts_by_code_point: bool
    clock: float
    applied: int = 0
    may_take_role: bool = False
    waiting: list[str] = field(default_factory=list[str])
    unforced: list[str] = field(default_factory=list[str])
    broken_indexes: list[str] = field(default_factory=list[str])


def examine_database(dsn: str) -> Database:
    """Look at the database of a connection string."""
    with connected(dsn) as conn:
        row = conn.execute(shipped("health/examine")).fetchone()
        assert row is not None, "there is a row for the database one is in"
        found = Database(*row[:6])
        applied = {str(name) for (name,) in conn.execute(shipped("health/migrations"))} if row[6] else set[str]()
        found.applied = len(applied)
        found.waiting = [name for name in shipped_migrations() if name not in applied]
        if not found.waiting:
            found.may_take_role = bool((conn.execute(shipped("health/may_take_role")).fetchone() or (False,))[0])
            found.unforced = [str(name) for (name,) in conn.execute(shipped("health/unforced"))]
            found.broken_indexes = [
                str(name) for (name,) in conn.execute(shipped("health/broken_indexes"), (list(INDEXES),))
            ]
        return found
