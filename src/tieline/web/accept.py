"""The element face answers in JSON only."""

from tieline import problems
from tieline.web.request import Request
from tieline.wire import accept


def require_json(request: Request) -> None:
    """Let a request through if its client takes JSON.

    Raises:
        Problem: 406, the Accept header leaves JSON out.
    """
    header = ",".join(value.decode("latin-1") for name, value in request.headers if name == b"accept")
    if accept.best(header, ["application/json"]) is None:
        raise problems.not_acceptable(header)
