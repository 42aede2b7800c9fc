"""The words for an external system that a strict company does not know: calls and rows of batches share them."""

from collections.abc import Sequence

from tieline.wire.nearest import nearest

# The SQLSTATE with which the function require_systems refuses an integration.
CODE = "TL104"
_SHOWN_MAX = 100


def message(integration: str) -> str:
    """The sentence that names the unknown integration.

    >>> message("hubpsot")
    "The company has no external system 'hubpsot', and it is strict."
    """
    return f"The company has no external system {integration[:_SHOWN_MAX]!r}, and it is strict."


def hint(integration: str, known: Sequence[str]) -> str:
    """The known names that look like it, or else what to do.

    >>> hint(" HUBSPOT", ["xero", "hubspot"])
    "Did you mean 'hubspot'?"
    """
    alike = [repr(name[:_SHOWN_MAX]) for name in nearest(integration, known)]
    if alike:
        return f"Did you mean {' or '.join(alike)}?"
    return "Add the system first, or let the company not be strict (isStrict)."
