"""A file that appears when it is complete, and is never half there."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tieline.cli.terminal import RefusalError


@contextmanager
def written(name: str, mode: int = 0o666) -> Generator[IO[bytes]]:
    """The file, written beside its place and moved there at the end. `mode`: as for open, less the umask.

    Raises:
        RefusalError: it cannot be written, or the name is a folder's or a device's.
    """
    path = Path(name)
    if path.exists() and not path.is_file():
        raise RefusalError(f"{name} is no file that could be replaced.")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise RefusalError(f"The file {name} cannot be written: {error.strerror}.") from None
    finally:
        beside.unlink(missing_ok=True)
