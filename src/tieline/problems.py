"""The problems: errors that a client sees. web/respond.py gives them the form of each face."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

# No leading zero, and no more digits than the largest id has.
ELEMENT_ID = re.compile(r"[1-9][0-9]{0,18}")

Scope = Literal["body", "query", "path", "header", "global"]


class FieldError(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request, and where."""

    scope: Scope
    path: str | None
    code: str
    message: str


@dataclass(eq=False)
class Problem(Exception):
    """An error that ends a request and that its client sees.

    `slug` names it on the element face, `code` on the mapping face; `status` is the same on both. `headers` go out with
    the answer, `extra` are further members of the body; the mapping face has none.
    """

    slug: str
    status: int
    code: str
    message: str
    details: str | None = None
    hint: str | None = None
    errors: Sequence[FieldError] = ()
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    headers: Sequence[tuple[str, str]] = ()

    def __str__(self) -> str:
        return self.message


UNAVAILABLE_RETRY_SECONDS = 1
# The rest of the request stays unread, so the connection cannot be used again.
CLOSE = (("connection", "close"),)

# The titles of problems by their slugs, which are also the names of their pages.
TITLES: Mapping[str, str] = {
    "validation-failed": "The request has invalid fields",
    "bad-request": "The request cannot be read",
    "missing-parameter": "A parameter is missing",
    "type-mismatch": "A value has the wrong type",
    "date-format-error": "A time is not ISO 8601",
    "input-parameter-error": "A parameter names something that is not there",
    "business-error": "The request breaks a rule",
    "unauthorized": "The caller is not known",
    "token-revoked": "The token was revoked",
    "access-denied": "The caller may not do this",
    "endpoint-not-found": "There is no such endpoint",
    "resource-not-found": "There is no such resource",
    "method-not-allowed": "The endpoint does not take this method",
    "not-acceptable": "No acceptable representation",
    "conflict": "The request conflicts with what is there",
    "payload-too-large": "The request is too large",
    "unsupported-media-type": "The body's type is not supported",
    "too-many-requests": "Too many requests",
    "internal-error": "Something went wrong in Tieline",
    "unavailable": "The service cannot answer now",
}


def unauthorized(why: str) -> Problem:
    """The request has no valid key or token; the answer says how to send one."""
    return Problem("unauthorized", 401, "PGRST301", why, headers=[("www-authenticate", "Bearer")])


def token_revoked() -> Problem:
    """A token was revoked, or the key behind it was or has expired; it gives no new tokens."""
    bearer = [("www-authenticate", 'Bearer error="invalid_token"')]
    return Problem("token-revoked", 401, "PGRST301", "This token, or the key behind it, was revoked.", headers=bearer)


def too_many_requests(retry_after_seconds: int, headers: Sequence[tuple[str, str]] = ()) -> Problem:
    """The key's rate limit is used up, or the address has failed to log in too often.

    `headers`: further headers of the answer, such as the rate limit.
    """
    message = f"Too many requests. Try again in {retry_after_seconds} s."
    return Problem(
        "too-many-requests",
        429,
        "PGRST429",
        message,
        headers=[("retry-after", str(retry_after_seconds)), *headers],
        extra={"retryAfter": retry_after_seconds},
    )


def access_denied(scope: str) -> Problem:
    """The key's scopes do not suffice."""
    message = f"This needs the scope {scope}, which the key does not have."
    return Problem("access-denied", 403, "42501", message, hint="Use a key with that scope.")


def origin_not_allowed(origin: str) -> Problem:
    """A browser asks if a page of another origin may call the service, and the settings do not allow it."""
    message = f"Web pages of {origin[:200]} may not call this service: the setting cors_origins does not name them."
    return Problem("access-denied", 403, "42501", message, hint=f"Add {origin[:200]} to cors_origins, and start anew.")


def endpoint_not_found(path: str) -> Problem:
    """Nothing is served at this path."""
    return Problem("endpoint-not-found", 404, "PGRST125", f"Nothing is served at {path}")


def method_not_allowed(method: str, allowed: str) -> Problem:
    """The path is served, but not with this method."""
    message = f"This address does not take {method}. It takes {allowed}."
    return Problem("method-not-allowed", 405, "PGRST117", message, headers=[("allow", allowed)])


def payload_too_large(bytes_max: int, setting: str = "body_bytes_max") -> Problem:
    """The body is longer than the limit of the settings. A compressed body counts as it is after it is unpacked."""
    message = f"The body is larger than {bytes_max} bytes, the setting {setting}."
    hint = "Send it in several requests."
    return Problem("payload-too-large", 413, "54000", message, hint=hint, headers=CLOSE)


def address_too_long(bytes_max: int) -> Problem:
    """The path and the query are longer than the settings allow."""
    message = f"The path and query are longer than {bytes_max} bytes, the setting url_bytes_max."
    return Problem("bad-request", 414, "54000", message, hint="Ask for less at once.", headers=CLOSE)


def headers_too_long(bytes_max: int, count_max: int) -> Problem:
    """The headers are longer, or more, than the settings allow."""
    message = f"The headers are longer than {bytes_max} bytes or more than {count_max} (header_bytes_max, headers_max)."
    return Problem("bad-request", 431, "54000", message, headers=CLOSE)


def list_too_long(header: str, items_max: int) -> Problem:
    """A header that is a list has more items than the settings allow."""
    message = f"The header {header} has more than {items_max} items or parameters (header_items_max)."
    return Problem("bad-request", 431, "54000", message, headers=CLOSE)


def head_too_slow(seconds: float) -> Problem:
    """The line of the request and its headers did not arrive in time."""
    return Problem("bad-request", 408, "54000", f"The headers did not arrive within {seconds:g} s.", headers=CLOSE)


def too_many_connections() -> Problem:
    """There is no room for a connection that waits for its client, or none from this address."""
    return _try_again("There are too many connections.")


def body_too_slow(how: str) -> Problem:
    """The body did not arrive in time. `how`: behind "The body"."""
    return Problem("bad-request", 408, "54000", f"The body {how}.", headers=CLOSE)


def coding_unknown(given: str) -> Problem:
    """The body has a Content-Encoding that is not read (RFC 9110, 15.5.16: Accept-Encoding says which are)."""
    message = f"The body must come as it is or as gzip, and Content-Encoding says {given[:100]}."
    headers = [("accept-encoding", "gzip"), *CLOSE]
    return Problem("unsupported-media-type", 415, "22023", message, headers=headers)


def text_not_storable(what: str) -> Problem:
    """PostgreSQL cannot store a text of the request."""
    return Problem("bad-request", 400, "22021", f"The request contains {what}, which PostgreSQL cannot store.")


def not_utf8(where: str) -> Problem:
    """A part of the request is not UTF-8."""
    return Problem("bad-request", 400, "22021", f"The {where} is not valid UTF-8.")


def database_unavailable() -> Problem:
    """No connection to the database, or it ended under the request."""
    return _try_again("The database cannot be reached now.")


def disk_full() -> Problem:
    """The database has no room for what was written."""
    return _try_again("The disk of the database is full, so nothing can be written now.")


def not_ready(behind: Sequence[str]) -> Problem:
    """The process cannot serve yet. `behind`: what the database lacks of this release."""
    if behind:
        return _try_again(f"The database is not at this release: {', '.join(behind)}. Run tieline migrate.")
    return _try_again("Not all connections to the database are up.")


def overloaded() -> Problem:
    """Too many requests wait for the database, or this one has waited too long."""
    return _try_again("The database is busy; no connection became free in time.")


def bodies_full() -> Problem:
    """The bodies of other requests, of this company or of all, take all the room."""
    return _try_again("There is no room for the body now: too many large ones are under way.")


def too_busy() -> Problem:
    """More requests are under way than the settings allow."""
    return _try_again("Too many requests are under way.")


def shutting_down() -> Problem:
    """The process ends, and the body of the request has not come."""
    return _try_again("This process ends, and the rest of the request's body has not come in time.")


def cut_short() -> Problem:
    """The process ends, and the request took longer than the time that it then gives."""
    return _try_again("This process ends, and the request was not carried to its end.")


def import_stopped(line: int | None, reason: str, rest: str, landed: Mapping[str, object]) -> Problem:
    """A batch of an import did not land; those before it have. `line`: the first one that did not, if one was read.

    `rest` says which rows have not landed, `landed` are the members of the answer to an import that came to its end.
    """
    message = f"The import stopped at line {line}." if line is not None else "The import stopped before its first line."
    retry = [("retry-after", str(UNAVAILABLE_RETRY_SECONDS))]
    extra = {**landed, **({} if line is None else {"stoppedAtLine": line})}
    return Problem("unavailable", 503, "PGRST000", message, reason, rest, extra=extra, headers=retry)


def _try_again(message: str) -> Problem:
    retry = [("retry-after", str(UNAVAILABLE_RETRY_SECONDS))]
    return Problem("unavailable", 503, "PGRST000", message, hint="Try again in a moment.", headers=retry)


def answer_too_large(setting: str, most: str) -> Problem:
    """The answer has more than the settings allow."""
    message = f"The answer is larger than {most}, the setting {setting}."
    hint = "Ask for fewer rows, columns or ids in one request, or for an export."
    return Problem("payload-too-large", 413, "54000", message, hint=hint)


def needs_too_much() -> Problem:
    """The statement needs more temporary files in the database than the settings allow."""
    message = "The database would need more temporary files for this than the setting temp_file_kb_max allows."
    return Problem("payload-too-large", 413, "53400", message, hint="Ask for less at once.")


def statement_timeout() -> Problem:
    """The database cancelled the statement, since it ran for longer than the settings allow."""
    retry = [("retry-after", str(UNAVAILABLE_RETRY_SECONDS))]
    message = "The database did not finish in time."
    return Problem("unavailable", 504, "57014", message, hint="Ask for less at once.", headers=retry)


def validation_failed(*errors: FieldError) -> Problem:
    """Fields of the request are not valid; each error names its field."""
    message = " ".join(error.message for error in errors)
    return Problem("validation-failed", 400, "22023", message, errors=errors)


def type_mismatch(scope: Scope, path: str, expected: str) -> Problem:
    """A value has the wrong type."""
    message = f"{path} must be {expected}."
    return Problem("type-mismatch", 400, "22P02", message, errors=[FieldError(scope, path, "type-mismatch", message)])


def missing_parameter(name: str, message: str, scope: Scope = "query") -> Problem:
    """A parameter that the request needs is missing."""
    error = FieldError(scope, name, "missing-parameter", message)
    return Problem("missing-parameter", 400, "22023", message, errors=[error])


def bad_request(message: str) -> Problem:
    """The request cannot be read."""
    return Problem("bad-request", 400, "22P02", message)


def unsupported_media_type(given: str, wanted: str = "application/json") -> Problem:
    """The endpoint does not read bodies of this type."""
    return Problem("unsupported-media-type", 415, "22023", f"The body must be {wanted}, not {given}.")


def not_acceptable(accepted: str, offered: str = "application/json") -> Problem:
    """The client does not accept the type of the answer."""
    return Problem("not-acceptable", 406, "PGRST107", f"The answer is {offered}; Accept names {accepted}.")


def company_exists(company_id: str) -> Problem:
    """Another company has the id."""
    return Problem("conflict", 409, "23505", f"There is a company {company_id!r} already.")


def element_not_found(element_id: int) -> Problem:
    """The company has no element of this id."""
    return Problem("resource-not-found", 404, "PGRST116", f"There is no element {element_id}.")


def element_exists(element_id: int | None) -> Problem:
    """Another element has the id."""
    return Problem("conflict", 409, "23505", f"There is an element {element_id} already.")


def system_unknown(system_url: str, scope: Scope = "body") -> Problem:
    """The company has no active external system at the address. There is no fallback to another one."""
    message = "The company has no active external system with this systemUrl."
    error = FieldError(
        scope, "systemUrl", "input-parameter-error", f"There is no active external system at {system_url}."
    )
    return Problem("input-parameter-error", 400, "22023", message, errors=[error])


def integration_blank() -> Problem:
    """An external system needs a key that can be read."""
    message = "The key of an external system cannot be blank."
    return validation_failed(FieldError("body", "integration", "blank", message))


def system_url_invalid(given: str) -> Problem:
    """The address of an external system is not one."""
    message = f"systemUrl must be an absolute http or https address without spaces, not {given[:100]!r}."
    return validation_failed(FieldError("body", "systemUrl", "invalid", message))


def link_template_invalid(given: str) -> Problem:
    """The template of an external system's links has no place for the id, or is no address."""
    message = f"linkTemplate must contain {{externalId}}, where the id goes, and {given[:100]!r} does not."
    if "{externalId}" in given:
        message = f"linkTemplate must be an absolute http or https address, not {given[:100]!r}."
    return validation_failed(FieldError("body", "linkTemplate", "invalid", message))


def system_url_taken(canonical_url: str, integration: str) -> Problem:
    """Another external system of the company has this address. `canonical_url`: the form in which they are the same."""
    message = f"{canonical_url!r} is held by the system {integration}."
    return Problem("conflict", 409, "23505", message, extra={"conflictingIntegration": integration})


def system_unclear(systems: bytes) -> Problem:
    """The request names no system, and there is no default one and not exactly one active one.

    `systems`: the active ones, as JSON.
    """
    message = "Name the external system with systemUrl: there is no default one, and not exactly one active one."
    return Problem("business-error", 400, "22023", message, extra={"candidates": msgspec.Raw(systems)})


def several_historical(bindings: bytes) -> Problem:
    """`systemUrl: null` means the historical binding, and there are several. `bindings`: these, as JSON."""
    message = "The element has several historical bindings, so systemUrl: null does not name one."
    return Problem("business-error", 400, "22023", message, extra={"candidates": msgspec.Raw(bindings)})


def nothing_linked(element_id: int) -> Problem:
    """The element has no binding in the external system."""
    return Problem(
        "resource-not-found", 404, "PGRST116", f"Element {element_id} is not linked in this external system."
    )


def nothing_left(message: str) -> Problem:
    """A binding must keep an external id or a link."""
    return Problem("business-error", 400, "23514", message, hint="Unlink it to end the binding.")


def external_id_taken(external_id: str, element_id: str | None) -> Problem:
    """Another element of the company is linked to this record of that system."""
    holder = f"element {element_id}" if element_id is not None else "another element"
    message = f"The externalId {external_id} is linked to {holder} in this external system."
    # The mapping face takes any entity id, also one that no element can have.
    is_id = element_id is not None and ELEMENT_ID.fullmatch(element_id)
    extra = {"conflictingElementId": int(element_id)} if element_id is not None and is_id else {}
    return Problem("conflict", 409, "23505", message, extra=extra)


def external_id_too_large() -> Problem:
    """The external id has few enough characters, but more bytes than an index can hold."""
    message = "externalId is longer than about 2,600 bytes in UTF-8, which is the most that can be searched for."
    return validation_failed(FieldError("body", "externalId", "too-long", message))


def internal_error() -> Problem:
    """An error in Tieline; the log has it under the request's id."""
    return Problem(
        "internal-error", 500, "XX000", "Something went wrong in Tieline. The log has the error under the request id."
    )


def batch_refused(results: str, *, is_conflict: bool) -> Problem:
    """Some rows of an atomic batch cannot land; `results`: those rows' results as JSON."""
    message = "Some rows cannot land, and the batch is atomic: nothing was changed."
    if is_conflict:
        return Problem("conflict", 409, "23505", message, results)
    return Problem("bad-request", 400, "22023", message, results)
