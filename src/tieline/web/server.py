"""The parts of a running server that every handler may use."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tieline.dialect.statement import Limits
from tieline.places import Places
from tieline.postgres.connections import Connections
from tieline.postgres.transactions import Transactions
from tieline.settings import Settings
from tieline.store.callers import Callers
from tieline.store.tokens import SigningKeys
from tieline.web.aside import Aside
from tieline.web.bodies import Bodies
from tieline.web.metrics import Metrics
from tieline.web.rates import Rates
from tieline.web.readiness import Readiness
from tieline.web.turns import Turns


@dataclass(frozen=True, slots=True)
class Server:
    """Made once, in app.py."""

    settings: Settings
    query_limits: Limits
    connections: Connections
    transactions: Transactions
    callers: Callers
    signing_keys: SigningKeys
    rates: Rates
    metrics: Metrics
    bodies: Bodies
    aside: Aside
    transfers: Turns
    uploads: Places
    transfer_threads: ThreadPoolExecutor
    readiness: Readiness
    # It may hold a password.
    dsn: str = field(repr=False)
