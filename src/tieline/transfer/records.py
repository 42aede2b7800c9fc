"""A file of any form → its records."""

from collections.abc import Iterator
from typing import IO

from tieline.transfer import csv_file, ndjson_file
from tieline.transfer.columns import COLUMNS, Refused, Row, What
from tieline.transfer.formats import Format


def read(stream: IO[bytes], form: Format, what: What, company_id: str) -> Iterator[Row | Refused]:
    """The records of a file, in its order.

    Raises:
        FileRefusedError: the file as a whole cannot be taken.
    """
    if form == "ndjson":
        return ndjson_file.read(stream, what, company_id)
    return csv_file.read(stream, COLUMNS[what], company_id, is_spreadsheet=form == "spreadsheet")
