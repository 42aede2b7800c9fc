"""The request of an import or an export → what is asked for: the kind of rows, the format, the options."""

from dataclasses import dataclass
from typing import cast, get_args

from tieline import problems
from tieline.dialect.statement import Limits
from tieline.postgres.pooler import limits_sql
from tieline.postgres.session import Session
from tieline.problems import FieldError
from tieline.settings import Settings
from tieline.store.batches.plan import OnConflict, OnExisting
from tieline.transfer import records
from tieline.transfer.choice import chosen
from tieline.transfer.columns import What
from tieline.transfer.formats import FORMATS, TEXT_FORMATS, Format, TextFormat, either
from tieline.transfer.landed import Job
from tieline.transfer.records import Reading
from tieline.transfer.unload import Export
from tieline.web import decode
from tieline.web.auth import Caller
from tieline.web.request import Request
from tieline.wire import accept

# The media types of files that come in. A workbook is one by its content; browsers call a CSV file vnd.ms-excel.
TYPES_IN: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.ms-excel": "csv",
}
TYPES_OUT: dict[str, TextFormat] = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "text/tab-separated-values": "tsv",
}
CONTENT_TYPES: dict[TextFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "spreadsheet": "text/csv; charset=utf-8",
}
ENDINGS: dict[TextFormat, str] = {"csv": "csv", "tsv": "tsv", "ndjson": "ndjson", "spreadsheet": "csv"}
IMPORT_PARAMETERS = frozenset({"onConflict", "onExisting", "dryRun", "format", "sheet"})
FORMAT = "format"


@dataclass(frozen=True, slots=True)
class ImportAsked:
    """An import: the format of the file, how it is read, and what becomes of its rows."""

    form: Format
    reading: Reading
    job: Job


def import_asked(request: Request, caller: Caller, settings: Settings) -> ImportAsked:
    """What the request wants to import.

    Raises:
        Problem: there is no such kind of rows, the format is unknown, or a parameter is wrong.
    """
    what = _what(request)
    values = decode.query(request, IMPORT_PARAMETERS)
    given = _word(values, "format", FORMATS)
    form = _body_form(request) if given is None else cast(Format, given)
    on_conflict = _word(values, "onConflict", get_args(OnConflict)) or "report"
    on_existing = _word(values, "onExisting", get_args(OnExisting)) or "update"
    is_dry_run = _word(values, "dryRun", ("true", "false")) == "true"
    session = Session(caller.company_id, caller.key_id, request.id)
    limits = limits_sql(settings)
    job = Job(what, session, limits, cast(OnConflict, on_conflict), cast(OnExisting, on_existing), is_dry_run)
    return ImportAsked(form, records.reading(settings, values.get("sheet", ""), settings.import_bytes_max), job)


def export_asked(request: Request, caller: Caller, limits: Limits, settings: Settings) -> Export:
    """What the request wants to export. Its parameters are filters, but for `format`.

    Raises:
        Problem: there is no such kind of rows, the client accepts no format, or a parameter is wrong.
    """
    what = _what(request)
    try:
        parts = request.query.decode().split("&")
    except UnicodeDecodeError:
        raise problems.not_utf8("query string") from None
    filters = [part for part in parts if part and part.partition("=")[0] != FORMAT]
    formats = [part.partition("=")[2] for part in parts if part.partition("=")[0] == FORMAT]
    if len(formats) > 1:
        raise problems.validation_failed(FieldError("query", FORMAT, "repeated", f"{FORMAT} is given twice."))
    given = _word({FORMAT: formats[0]} if formats else {}, FORMAT, TEXT_FORMATS)
    form = _answer_form(request) if given is None else cast(TextFormat, given)
    return Export(what, form, limits_sql(settings), chosen(what, "&".join(filters), caller.company_id, limits))


def _what(request: Request) -> What:
    what = request.parameters["what"]
    if what not in get_args(What):
        raise problems.endpoint_not_found(request.path)
    return cast(What, what)


def _body_form(request: Request) -> Format:
    media_type = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media_type not in TYPES_IN:
        raise problems.unsupported_media_type(
            media_type or "nothing", f"{either(tuple(TYPES_IN))}; or say it with ?format={either(FORMATS)}"
        )
    return TYPES_IN[media_type]


def _answer_form(request: Request) -> TextFormat:
    """The form that the client prefers; CSV if it takes any form."""
    header = request.header(b"accept") or ""
    media_type = accept.best(header, tuple(TYPES_OUT))
    if media_type is None:
        offered = f"{either(tuple(TYPES_OUT))}; or say it with ?format={either(TEXT_FORMATS)}"
        raise problems.not_acceptable(header, offered)
    return TYPES_OUT[media_type]


def _word(values: dict[str, str], name: str, words: tuple[str, ...]) -> str | None:
    word = values.get(name)
    if word is not None and word not in words:
        raise problems.validation_failed(FieldError("query", name, "invalid", f"{name} must be {either(words)}."))
    return word
