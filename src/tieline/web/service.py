"""What every handler may use; made once, in app.py."""

from dataclasses import dataclass

from tieline.settings import Settings
from tieline.store.callers import Callers
from tieline.store.connections import Connections


@dataclass(frozen=True, slots=True)
class Service:
    """The process's settings, its connections and the keys of its callers."""

    settings: Settings
    connections: Connections
    callers: Callers
