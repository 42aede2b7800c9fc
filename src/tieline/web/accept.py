"""Whether a client takes the one type that the element face answers in."""

from tieline import problems
from tieline.web.request import Request

OURS = {"application/json": 2, "application/*": 1, "*/*": 0}


def require_json(request: Request) -> None:
    """Let through whom JSON can be sent.

    Raises:
        Problem: 406, Accept leaves it out.
    """
    accepted = ",".join(value.decode("latin-1") for name, value in request.headers if name == b"accept")
    if not takes_json(accepted):
        raise problems.not_acceptable(accepted)


def takes_json(accepted: str) -> bool:
    """Whether the ranges of an Accept header let JSON through; the most precise one decides.

    >>> [takes_json(accepted) for accepted in ("", "*/*", "text/html, application/json;q=0.5")]
    [True, True, True]
    >>> [takes_json(accepted) for accepted in ("text/html", "application/json;q=0, */*")]
    [False, False]
    """
    verdicts: dict[int, bool] = {}
    for media_range in filter(None, map(str.strip, accepted.split(","))):
        media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
        precision = OURS.get(media_type)
        if precision is not None:
            verdicts[precision] = verdicts.get(precision, False) or not _is_zero(parameters)
    return verdicts[max(verdicts)] if verdicts else not accepted.strip()


def _is_zero(parameters: list[str]) -> bool:
    """Whether the weight says: not at all."""
    return any(parameter.replace(" ", "").rstrip("0") in ("q=", "q=0.") for parameter in parameters)
