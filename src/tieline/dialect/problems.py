"""The problems of the mapping face: PostgREST's own, and PostgreSQL's errors as PostgREST answers them."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import LiteralString

import msgspec

from tieline.problems import Problem, answer_too_large
from tieline.wire import unknown_system

_QUOTED_MAX = 2_000
_SLUGS = {
    403: "access-denied", 404: "resource-not-found", 405: "method-not-allowed", 406: "not-acceptable", 409: "conflict",
}  # fmt: skip

# SQLSTATEs of our own, with which tieline.refuse ends a statement so that nothing of it stays.
PUT_MISMATCH: LiteralString = "TL115"
NOT_SINGLE: LiteralString = "TL116"
TOO_MANY: LiteralString = "TL124"
# An answer is larger than a limit allows; the detail names the setting, the hint says how to ask for less.
TOO_LARGE: LiteralString = "TL413"


# The SQLSTATE of a value that cannot be.
INVALID = "22023"


def _shown(text: str) -> str:
    """Text of the request, cut to a length that an answer can carry."""
    return text if len(text) <= _QUOTED_MAX else text[:_QUOTED_MAX] + "..."


def _bad(code: str, message: str, details: str | None = None, hint: str | None = None, status: int = 400) -> Problem:
    # PostgreSQL's details, too, repeat what was sent.
    details = None if details is None else _shown(details)
    return Problem(_SLUGS.get(status, "bad-request"), status, code, message, details, hint)


def unreadable(what: str, text: str, position: int, expecting: str) -> Problem:
    unexpected = f'"{text[position]}"' if position < len(text) else "end of input"
    return _bad(
        "PGRST100",
        f'"failed to parse {what} ({_shown(text)})" (line 1, column {position + 1})',
        f"unexpected {unexpected} expecting {expecting}",
    )


def invalid_bytes(raw: bytes) -> Problem:
    shown = " ".join(f"0x{byte:02x}" for byte in raw[:4])
    return _bad("22021", f'invalid byte sequence for encoding "UTF8": {shown}')


def method_not_for_functions(method: str) -> Problem:
    return _bad("PGRST101", f"Cannot use the {_shown(method)} method on RPC", status=405)


def method_unknown(method: str) -> Problem:
    return _bad("PGRST117", f"Unsupported HTTP method: {_shown(method)}", status=405)


def body_invalid(message: str) -> Problem:
    return _bad("PGRST102", _shown(message))


def argument_invalid(message: str) -> Problem:
    return _bad(INVALID, _shown(message))


def body_too_long(what: str, most: int, setting: str) -> Problem:
    message = f"The body has more than {most} {what}, the setting {setting}."
    return Problem("payload-too-large", 413, "54000", message, hint="Send it in several requests.")


def row_too_long(bytes_max: int) -> Problem:
    message = f"A row or a value of the body is longer than {bytes_max} bytes, the setting body_row_bytes_max."
    return Problem("payload-too-large", 413, "54000", message)


def body_too_deep(depth_max: int) -> Problem:
    message = f"The JSON of the body is nested deeper than {depth_max} levels, the setting json_depth_max."
    return _bad("PGRST102", message)


def not_storable(details: str) -> Problem:
    return _bad("22P05", "unsupported Unicode escape sequence", details)


def blank(name: str) -> Problem:
    return _bad("23514", f"{name} must not be blank")


def batch_too_large(name: str, rows_max: int) -> Problem:
    message = f"{name} has more than {rows_max} elements, the setting batch_rows_max."
    hint = "Send it in several requests."
    return Problem("payload-too-large", 413, "54000", message, hint=hint)


def asks_too_much(what: str, count: int, setting: str, most: int) -> Problem:
    message = f"The request has {count} {what}; it may have {most}, the setting {setting}."
    return _bad("54000", message, hint="Ask for less in one request.")


def pattern_too_large(states_max: int) -> Problem:
    message = f"The regular expression repeats more than {states_max} characters, the setting pattern_states_max."
    return _bad("2201B", message, hint="Use smaller bounds, or * and +.")


def _range(details: str, headers: Sequence[tuple[str, str]] = ()) -> Problem:
    return Problem("bad-request", 416, "PGRST103", "Requested range not satisfiable", details, headers=headers)


def limit_negative() -> Problem:
    return _range("Limit should be greater than or equal to zero.")


def range_upside_down() -> Problem:
    return _range("The lower boundary must be lower than or equal to the upper boundary in the Range header.")


def offset_too_high(offset: int, total: int) -> Problem:
    details = f"An offset of {offset} was requested, but there are only {total} rows."
    return _range(details, [("content-range", f"*/{total}")])


def put_filters_invalid() -> Problem:
    return _bad("PGRST105", "Filters must include all and only primary key columns with 'eq' operators", status=405)


def schema_unknown(name: str) -> Problem:
    return _bad(
        "PGRST106", f"Invalid schema: {_shown(name)}", hint="Only the following schemas are exposed: public", status=406
    )


def not_acceptable(wanted: Sequence[str]) -> Problem:
    return _bad("PGRST107", f"None of these media types are available: {_shown(', '.join(wanted))}", status=406)


def no_geography() -> Problem:
    return _bad(
        "42883",
        "function st_asgeojson(record) does not exist",
        hint="No function matches the given name and argument types. You might need to add explicit type casts.",
        status=404,
    )


def not_embedded(name: str) -> Problem:
    return _bad(
        "PGRST108",
        f"'{_shown(name)}' is not an embedded resource in this request",
        hint=f"Verify that '{_shown(name)}' is included in the 'select' query parameter.",
    )


def put_with_limit() -> Problem:
    return _bad("PGRST114", "limit/offset querystring parameters are not allowed for PUT")


def put_mismatch() -> Problem:
    return _bad("PGRST115", "Payload values do not match URL in primary key column(s)")


def not_single(rows: str) -> Problem:
    return _bad(
        "PGRST116", "Cannot coerce the result to a single JSON object", f"The result contains {rows} rows", status=406
    )


def related_order(origin: str, target: str) -> Problem:
    return _bad(
        "PGRST118",
        f"A related order on '{target}' is not possible",
        f"'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship",
    )


def preferences_unknown(preferences: Sequence[str]) -> Problem:
    return _bad(
        "PGRST122",
        "Invalid preferences given with handling=strict",
        f"Invalid preferences: {_shown(', '.join(preferences))}",
    )


def too_many_affected(rows: str) -> Problem:
    return _bad(
        "PGRST124",
        "Query result exceeds max-affected preference constraint",
        f"The query affects {rows} rows",
    )


def path_invalid() -> Problem:
    return _bad("PGRST125", "Invalid path specified in request URL", status=404)


def spread_aggregate() -> Problem:
    return _bad(
        "PGRST127",
        "Feature not implemented",
        "Aggregates are not implemented for one-to-many or many-to-many spreads.",
    )


def no_relationship(origin: str, target: str, hint: str | None) -> Problem:
    using = "" if hint is None else f" using the hint '{_shown(hint)}'"
    return _bad(
        "PGRST200",
        f"Could not find a relationship between '{origin}' and '{_shown(target)}' in the schema cache",
        f"Searched for a foreign key relationship between '{origin}' and '{_shown(target)}'{using} in the schema"
        " 'public', but no matches were found.",
    )


def function_unknown(name: str, arguments: Sequence[str], searched: str, hint: str | None = None) -> Problem:
    shown = _shown(name)
    called = f"public.{shown}({', '.join(arguments)})" if arguments else f"public.{shown}"
    suffix = "" if arguments or searched.startswith("with a single unnamed text") else " without parameters"
    return _bad(
        "PGRST202",
        f"Could not find the function {called}{suffix} in the schema cache",
        f"Searched for the function public.{shown} {searched}, but no matches were found in the schema cache.",
        hint,
        404,
    )


def nearest_function(name: str, known: Sequence[str]) -> str | None:
    """The hint at the function that was meant, in PostgREST's words.

    >>> nearest_function("linkmany", ["link_many", "claim"])
    'Perhaps you meant to call the function public.link_many'
    """
    close = get_close_matches(name[:100], known, 1, 0.75)
    return f"Perhaps you meant to call the function public.{close[0]}" if close else None


def column_not_in_cache(resource: str, name: str) -> Problem:
    return _bad("PGRST204", f"Could not find the '{_shown(name)}' column of '{resource}' in the schema cache")


def resource_unknown(name: str, known: Sequence[str]) -> Problem:
    close = get_close_matches(name[:100], known, 1, 0.75)
    hint = f"Perhaps you meant the table 'public.{close[0]}'" if close else None
    return _bad("PGRST205", f"Could not find the table 'public.{_shown(name)}' in the schema cache", None, hint, 404)


def column_unknown(alias: str, name: str, known: Sequence[str] = ()) -> Problem:
    close = get_close_matches(name[:100], known, 1, 0.7)
    hint = f'Perhaps you meant to reference the column "{alias}.{close[0]}".' if close else None
    return _bad("42703", f"column {alias}.{_shown(name)} does not exist", None, hint)


def only_filters() -> Problem:
    return _bad(
        "PGRST100",
        "An export takes filters alone, such as integration=eq.xero or lastSyncedAt=is.null",
        "It writes all columns of all rows that the filters choose, in an order of its own",
    )


def filter_too_slow(operator: str) -> Problem:
    return _bad("PGRST100", f"An export does not take the operator {operator}; eq, in, like, is and others it takes")


def conflict_column_unknown(name: str) -> Problem:
    return _bad("42703", f'column "{_shown(name)}" does not exist')


def no_such_key() -> Problem:
    return _bad("42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification")


def type_unknown(name: str) -> Problem:
    return _bad("42704", f'type "{_shown(name)}" does not exist')


def embedded_twice(name: str) -> Problem:
    return _bad("42712", f'table name "{_shown(name)}" specified more than once')


def read_only(resource: str) -> Problem:
    return _bad("42501", f"permission denied for table {resource}", status=403)


def where_missing(command: str) -> Problem:
    return _bad(
        "21000",
        f"{command} requires a WHERE clause",
        hint="Add a filter, or bound the change with 'Prefer: handling=strict, max-affected=N'.",
    )


# Classes of SQLSTATE whose errors a request cannot cause by itself. The others answer 400.
_STATUS_BY_CLASS = {
    "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 503,
    "55": 503, "57": 503, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip
_STATUS_BY_CODE = {
    "23503": 409, "23505": 409, "25006": 405, "42501": 403, "42883": 404, "42P01": 404, "42P17": 500, "P0001": 400,
}  # fmt: skip
# Errors that a request causes, although PostgreSQL names its own limits.
_TOO_COMPLEX = {
    "54001": "The request is nested too deep, or is too long a chain of conditions, for PostgreSQL.",
    "54011": "The request selects, or orders by, more columns than PostgreSQL takes.",
    "54023": "The request has more values than PostgreSQL takes.",
}
_TOO_MUCH_MEMORY = "invalid memory alloc request size"
_RETRY_AFTER_SECONDS = "1"
_SERVER_FAULT = 500


def from_database(sqlstate: str, message: str, details: str | None, hint: str | None) -> Problem:
    """The problem of a PostgreSQL error, as PostgREST answers it. The server's own faults are not quoted."""
    ours = _from_tieline(sqlstate, message, details or "")
    if ours is not None:
        return ours
    if sqlstate in _TOO_COMPLEX or message.startswith(_TOO_MUCH_MEMORY):
        return _bad("54001", _TOO_COMPLEX.get(sqlstate, "This needs more memory at once than PostgreSQL gives."))
    status = _STATUS_BY_CODE.get(sqlstate) or _STATUS_BY_CLASS.get(sqlstate[:2], 400)
    if status > _SERVER_FAULT:
        retry = [("retry-after", _RETRY_AFTER_SECONDS)]
        words = "The database could not serve the request in time"
        return Problem("unavailable", status, sqlstate, words, headers=retry)
    if status == _SERVER_FAULT:
        return Problem("internal-error", status, sqlstate, "The server failed")
    return _bad(sqlstate, message, details or None, hint or None, status)


def _from_tieline(sqlstate: str, message: str, details: str) -> Problem | None:
    """The problem of an error that tieline.refuse has raised."""
    if sqlstate == TOO_LARGE:
        return answer_too_large(message, details)
    if sqlstate == PUT_MISMATCH:
        return put_mismatch()
    if sqlstate == NOT_SINGLE:
        return not_single(details)
    if sqlstate == TOO_MANY:
        return too_many_affected(details)
    if sqlstate == unknown_system.CODE:
        known = msgspec.json.decode(details, type=list[str])
        return _bad(sqlstate, unknown_system.message(message), None, unknown_system.hint(message, known))
    return None
