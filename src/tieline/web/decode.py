"""Path, query and body of the element face → values, or a problem that names the field."""

import re
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from tieline import problems
from tieline.problems import FieldError, Problem
from tieline.web.request import Request
from tieline.web.server import Server
from tieline.wire import halves, misfit, urls
from tieline.wire.addresses import is_http
from tieline.wire.blanks import is_blank
from tieline.wire.integers import BIGINT_MAX, DIGITS_MAX
from tieline.wire.nearest import did_you_mean

EXTERNAL_ID_LENGTH_MAX = 1024
LINK_LENGTH_MAX = 2048
TITLE_LENGTH_MAX = 1024
SPACE = b" \t\n\r"

T = TypeVar("T")


def element_id(text: str) -> int:
    """The id of an element from the path.

    >>> element_id("298")
    298

    Raises:
        Problem: 400, not a whole number (type-mismatch), or not between 1 and 2^63 - 1 (validation-failed).
    """
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise problems.type_mismatch("path", "id", "a whole number")
    value = int(text) if len(text) <= DIGITS_MAX else 0
    if not 1 <= value <= BIGINT_MAX:
        message = f"id must be between 1 and {BIGINT_MAX}."
        raise problems.validation_failed(FieldError("path", "id", "out-of-range", message))
    return value


def body_id(value: float) -> int:
    """The id of an element from a body.

    >>> body_id(298.0)
    298

    Raises:
        Problem: 400, not a whole number, or not between 1 and 2^63 - 1.
    """
    if isinstance(value, float) and not value.is_integer():
        message = "id must be a whole number."
        raise problems.validation_failed(FieldError("body", "id", "invalid", message))
    if not 1 <= value <= BIGINT_MAX:
        message = f"id must be between 1 and {BIGINT_MAX}."
        raise problems.validation_failed(FieldError("body", "id", "out-of-range", message))
    return int(value)


def query(request: Request, known: frozenset[str]) -> dict[str, str]:
    """The query's parameters. Each may be given once.

    Raises:
        Problem: 400, an unknown or repeated parameter, or bytes that are not UTF-8.
    """
    values: dict[str, str] = {}
    try:
        for name, value in urls.pairs(request.query):
            if name not in known:
                message = f"{name} is not a parameter here. There are: {', '.join(sorted(known)) or 'none'}."
                raise problems.validation_failed(FieldError("query", name, "unknown", message))
            if name in values:
                raise problems.validation_failed(FieldError("query", name, "repeated", f"{name} is given twice."))
            values[name] = value
    except UnicodeDecodeError:
        raise problems.not_utf8("query string") from None
    return values


def query_integer(values: dict[str, str], name: str, default: int, most: int) -> int:
    """A parameter that is a whole number from 1 to `most`.

    Raises:
        Problem: 400, it is not.
    """
    text = values.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise problems.type_mismatch("query", name, "a whole number")
    value = int(text) if len(text) <= DIGITS_MAX else 0
    if not 1 <= value <= most:
        raise problems.validation_failed(
            FieldError("query", name, "out-of-range", f"{name} must be between 1 and {most}.")
        )
    return value


async def body(request: Request, server: Server, kind: type[T], *, default: T | None = None) -> T:
    """The body as a struct; `default` is used when there is no body.

    Raises:
        Problem: 400, 413 or 415; a field that does not fit is named.
    """
    if not request.has_body and default is not None:
        return default
    media_type = (request.header(b"content-type") or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise problems.unsupported_media_type(media_type)
    settings = server.settings
    content = await request.body(settings.body_bytes_max)
    if not content and default is not None:
        return default
    # White space around it costs nothing.
    content = content.strip(SPACE)
    if len(content) > settings.element_body_bytes_max:
        raise problems.payload_too_large(settings.element_body_bytes_max, "element_body_bytes_max")
    return await server.aside.run(request.company_id or request.party, len(content), partial(json, content, kind))


def json(content: bytes, kind: type[T]) -> T:
    """JSON of the client as a struct.

    Raises:
        Problem: 400; a field that does not fit is named.
    """
    try:
        return msgspec.json.decode(halves.marked(content), type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), kind) from None
    except UnicodeDecodeError:
        raise problems.not_utf8("body") from None
    except RecursionError:
        raise problems.bad_request("The body is JSON that is nested too deep.") from None
    except msgspec.DecodeError as error:
        raise problems.bad_request(_not_json(content, str(error))) from None


def _not_json(content: bytes, said: str) -> str:
    """The sentence for a body that is no JSON.

    >>> _not_json(b"{", "Input data was truncated"), _not_json(b"x", "JSON is malformed: invalid character (byte 0)")
    ('The body is not JSON: it breaks off.', 'The body is not JSON: invalid character (byte 0).')
    """
    if not content:
        return "The body is empty, and JSON is expected."
    reason = "it breaks off" if said == "Input data was truncated" else said.removeprefix("JSON is malformed: ")
    return f"The body is not JSON: {reason}."


def _invalid(said: str, kind: type) -> Problem:
    """The field error of a message such as "Expected `str`, got `int` - at `$.externalElement.externalId`"."""
    found = misfit.read(said)
    path = misfit.joined(found.path, found.name)
    if found.kind == "unknown":
        known = [field.encode_name for field in msgspec.structs.fields(kind)] if not found.path else []
        code, message = "unknown", f"{path} is not a field here.{did_you_mean(found.name, known)}"
    elif found.kind == "missing":
        code, message = "missing", f"{path} is needed."
    else:
        code, message = "invalid", f"{path or 'The body'}: {found.message}."
    return problems.validation_failed(FieldError("body", path or None, code, message))


def check_not_blank(path: str, value: str) -> None:
    """Refuse a text that is blank.

    Raises:
        Problem: 400, it is.
    """
    if is_blank(value):
        raise problems.validation_failed(FieldError("body", path, "blank", f"{path} must not be blank."))


def check_text(path: str, value: str, length_max: int) -> None:
    """Refuse a text that is blank or too long, or that PostgreSQL cannot store.

    Raises:
        Problem: 400, it is not.
    """
    check_not_blank(path, value)
    if len(value) > length_max:
        message = f"{path} must have at most {length_max} characters."
        raise problems.validation_failed(FieldError("body", path, "too-long", message))
    if "\0" in value:
        what = "half of a surrogate pair" if halves.HALF in value else "a NUL character"
        message = f"{path} must not contain {what}."
        raise problems.validation_failed(FieldError("body", path, "not-storable", message))


def check_link(path: str, value: str) -> None:
    """Refuse all but an absolute http or https address.

    Raises:
        Problem: 400, it is not.
    """
    check_text(path, value, LINK_LENGTH_MAX)
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not (is_address and is_http(value)):
        message = f"{path} must be an absolute http or https address."
        raise problems.validation_failed(FieldError("body", path, "not-an-address", message))
