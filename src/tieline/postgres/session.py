"""The company, the actor and the request that a statement runs for."""

import msgspec


class Session(msgspec.Struct, frozen=True):
    """Settings of the transaction, which row-level security and the history's triggers read.

    `time_zone`: the zone of the times in the answer; None is UTC.
    """

    company_id: str
    actor: str
    request_id: str = ""
    time_zone: str | None = None
