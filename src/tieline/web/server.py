"""What every handler may use; made once, in app.py."""

from dataclasses import dataclass, field

from tieline.dialect.request.query import Limits
from tieline.postgres.connections import Connections
from tieline.settings import Settings
from tieline.store.callers import Callers
from tieline.store.tokens import SigningKeys
from tieline.web.metrics import Metrics
from tieline.web.rates import Rates
from tieline.web.turns import Turns


@dataclass(frozen=True, slots=True)
class Server:
    """The process's settings, its connections, the keys of its callers, how often they call, what is counted."""

    settings: Settings
    query_limits: Limits
    connections: Connections
    callers: Callers
    signing_keys: SigningKeys
    rates: Rates
    metrics: Metrics
    transfers: Turns
    # May hold a password.
    dsn: str = field(repr=False)
