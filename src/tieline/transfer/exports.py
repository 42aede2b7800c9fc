"""The statements of exports, made of the columns that a file of each kind may have."""

# ruff: noqa: S608 - every piece of text is a LiteralString, which the type checker proves

from typing import LiteralString, cast, get_args

import msgspec

from tieline.transfer.columns import ROWS, TIMES, What
from tieline.transfer.formats import TextFormat

# The table, and the column that rows are ordered by. Mappings are ordered by id, because they were made in that order
# and lie in it on the disk.
TABLES: dict[What, tuple[LiteralString, LiteralString]] = {
    "mappings": ('"externalIntegrationMapping"', "id"),
    "elements": ("element", "id"),
    "systems": ('"externalSystem"', "integration"),
}
CSV: LiteralString = "format csv, header, encoding 'UTF8'"
TSV: LiteralString = rf"{CSV}, delimiter e'\t'"
# NDJSON goes out as CSV whose quote and delimiter no JSON can contain: the text format would double backslashes.
NDJSON: LiteralString = r"format csv, quote e'\x01', delimiter e'\x02', encoding 'UTF8'"


def statement(what: What, form: TextFormat, chosen: LiteralString | None = None) -> LiteralString:
    """The COPY statement that writes rows of a company in a form; `$1` is the company.

    `chosen`: the statement for the identities of the rows; without it all are written.

    >>> print(statement("elements", "csv"))
    copy (select id, title, "creationTime", "modificationDate" from tieline.element where "companyId" = $1 order by id) to stdout with (format csv, header, encoding 'UTF8')
    """  # noqa: E501 - the statement is one line
    table, order = TABLES[what]
    columns = ", ".join(
        [_column(field, form) for field in msgspec.structs.fields(ROWS[what]) if field.name != "company_id"]
    )
    among: LiteralString = "" if chosen is None else f" and {order} in ({chosen})"
    rows: LiteralString = f'select {columns} from tieline.{table} where "companyId" = $1{among} order by {order}'
    if form == "ndjson":
        return f"copy (select row_to_json(r) from ({rows}) r) to stdout with ({NDJSON})"
    return f"copy ({rows}) to stdout with ({TSV if form == 'tsv' else CSV})"


def _column(field: msgspec.structs.FieldInfo, form: TextFormat) -> LiteralString:
    """A column as the form writes it. Its name counts as literal: it came with the package."""
    name = cast(LiteralString, field.encode_name)
    quoted = name if name.islower() else f'"{name}"'
    types = get_args(field.type)
    if msgspec.Raw in types:
        # What is older than the limits may be too large for any file.
        quoted_json: LiteralString = f"tieline.shown({quoted})"
        return f"{quoted_json} as {quoted}" if form == "ndjson" else f"nullif({quoted_json}, 'null') as {quoted}"
    if form == "ndjson":
        return quoted
    if bool in types:
        return f"{quoted}::text as {quoted}"
    is_text = int not in types and field.name not in TIMES
    # Text is written as a formula (="007"), so that a spreadsheet takes no id for a number, a date or a formula.
    if form == "spreadsheet" and is_text:
        return f"""'="' || replace({quoted}, '"', '""') || '"' as {quoted}"""
    return quoted
