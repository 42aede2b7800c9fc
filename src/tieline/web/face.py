"""The faces of the service, which differ in the form of their errors."""

from enum import Enum, auto


class Face(Enum):
    """A part of the service with a contract of its own."""

    ELEMENT = auto()
    """Kordiam's Element External Systems. Errors are problem details (RFC 9457)."""
    MAPPING = auto()
    """PostgREST's dialect. Errors are PostgREST's objects."""
    SERVICE = auto()
    """Health, documentation, files. Errors are PostgREST's objects, with further members where there is more to say."""


def face_of(path: str) -> Face:
    """The face that refuses a request before its endpoint is known, or because there is none.

    >>> face_of("/api/v2/nowhere")
    <Face.ELEMENT: 1>
    """
    return Face.ELEMENT if path.startswith("/api/") else Face.SERVICE
