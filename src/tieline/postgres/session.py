"""The company, the actor and the request that a statement runs for."""

import msgspec


class Session(msgspec.Struct, frozen=True):
    """Becomes settings of the transaction: row-level security and the history's triggers read them.

    `time_zone`: the zone in which times are answered; none leaves it at UTC.
    """

    company_id: str
    actor: str
    request_id: str = ""
    time_zone: str | None = None
