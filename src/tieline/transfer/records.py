"""Read the records of a file of any form."""

from typing import IO

from tieline.transfer import csv_file, ndjson_file
from tieline.transfer.columns import File, What
from tieline.transfer.formats import Format


def read(stream: IO[bytes], form: Format, what: What) -> File:
    """The columns of a file, and its records in their order.

    Raises:
        FileRefusedError: the file is refused as a whole.
    """
    if form == "ndjson":
        return ndjson_file.read(stream, what)
    return csv_file.read(stream, what, is_spreadsheet=form == "spreadsheet")
