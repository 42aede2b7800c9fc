"""Findings of `tieline doctor` about this machine: disk, the address to listen on, variables that are no settings."""

import errno
import os
import shutil
import socket
from collections.abc import Mapping

import msgspec

from tieline import settings as settings_file
from tieline.cli import first_key
from tieline.postgres.account import EmbeddedError
from tieline.settings import Settings

# With less, a busy day of history or the next version of a large table may fill the disk.
FREE_BYTES_MIN = 500_000_000


class Finding(msgspec.Struct, frozen=True):
    """The state of one thing; `remedy` only if something is wrong with it."""

    what: str
    state: str
    remedy: str | None = None


def of_machine(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Look at this machine."""
    findings = [
        Finding("variable", sentence, "Correct its name, or remove it.")
        for sentence in settings_file.strangers(environment)
    ]
    if settings.data_path.is_dir():
        findings += [_of_disk(settings), *_of_key(settings)]
    return [*findings, _of_address(settings)]


def _of_disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data_path).free
    remedy = None if free >= FREE_BYTES_MIN else "Make room: when the disk is full, nothing can be written."
    return Finding("disk", f"{free / 1e9:,.1f} GB free in {settings.data_path}", remedy)


def _of_key(settings: Settings) -> list[Finding]:
    try:
        first_key.left(settings.data_path / first_key.FILE)
    except (EmbeddedError, OSError) as error:
        return [Finding("admin key", str(error), "Move the file away; a key is made with: tieline key create")]
    return []


def _of_address(settings: Settings) -> Finding:
    place = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except UnicodeError:
        return Finding("address", f"{settings.host!r} is no name of a host", "Choose another --host.")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return Finding("address", f"{place} is in use, by a server of Tieline or another program")
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return Finding("address", f"cannot listen on {place}: {reason}", "Choose another --host or --port.")
    return Finding("address", f"{place} is free")
