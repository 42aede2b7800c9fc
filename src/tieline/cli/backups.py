"""`tieline backup` and `tieline restore`: the whole registry into a file, and back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tieline.cli import first_key
from tieline.cli.serving import alone
from tieline.cli.terminal import Options, RefusalError, answer, say, session
from tieline.cli.whole_file import written
from tieline.postgres import backing_up, database, programs, restoring
from tieline.postgres.archive import ArchiveError
from tieline.postgres.backing_up import UnreadableError
from tieline.postgres.database import Connection
from tieline.postgres.migrate import OtherReleaseError
from tieline.postgres.programs import ProgramError
from tieline.postgres.restoring import OccupiedError
from tieline.settings import Settings
from tieline.store import changes, companies

# A backup has the hashes of all keys, and the keys that sign tokens.
BACKUP_MODE = 0o600
SERVED = "A server runs on the data folder {}: stop it, and restore again."

BackupFile = Annotated[str, Parameter(name="FILE", help="The file, an archive of pg_dump.")]


def backup(file: BackupFile, /, *, options: Options | None = None) -> None:
    """Write the whole registry as it is at this moment into a file; servers go on meanwhile."""
    settings = (options or Options()).load()
    if not settings.database_url and not (settings.data_path / "postgres").is_dir():
        raise RefusalError(f"There is no registry in the data folder {settings.data_path}.")
    try:
        with (
            written(file, BACKUP_MODE) as stream,
            database.reached(settings) as dsn,
            database.connected(dsn) as conn,
        ):
            is_embedded = not settings.database_url
            backing_up.back_up(conn, dsn, settings.data_path, stream, is_embedded=is_embedded)
    except (UnreadableError, ProgramError) as error:
        raise RefusalError(f"No backup was made. {error}") from None
    answer(f"Backed up the registry to {file} ({Path(file).stat().st_size:,} bytes).")


def restore(file: BackupFile, /, *, options: Options | None = None) -> int:
    """Restore a backup into an empty registry, on any version of PostgreSQL that Tieline runs on."""
    settings = (options or Options()).load()
    if not Path(file).is_file():
        raise RefusalError(f"There is no file {file}.")
    with (
        alone(settings, SERVED.format(settings.data_path)),
        database.reached(settings) as dsn,
        database.connected(dsn) as conn,
    ):
        counts = _restored(conn, settings, Path(file))
        answer(
            f"Restored the registry. Companies: {counts['company']:,}, mappings: "
            f"{counts['externalIntegrationMapping']:,}, changes in their history: {counts['mappingChange']:,}."
        )
        return _compared(conn, [company.id for company in companies.listed(conn)])


def _restored(conn: Connection, settings: Settings, path: Path) -> Mapping[str, int]:
    using = programs.bundled(settings.data_path)
    try:
        with first_key.renewed(settings) as renewal, conn.transaction():
            restoring.clear(conn, (first_key.COMPANY, first_key.NAME))
            counts = restoring.load(conn, using, path)
            renewal.register(conn)
    except (OccupiedError, ArchiveError, OtherReleaseError, ProgramError) as error:
        raise RefusalError(f"Nothing was restored. {error}") from None
    if renewal.company_id is not None:
        say(f"The new key for the company {renewal.company_id!r} is in {renewal.path}.")
        say("The keys of the backup are valid again.")
    return counts


def _compared(conn: Connection, company_ids: Sequence[str]) -> int:
    """Compare the mappings of each company with its history; 1 if some differ."""
    code = 0
    for company_id in company_ids:
        with conn.transaction():
            companies.act(conn, session(company_id))
            differing = changes.differences(conn, company_id)
        if differing:
            code = 1
            say(
                f"In the company {company_id}, {len(differing):,} mappings differ from their history, "
                f"such as {differing[0]}. The backup has them so: they were changed without Tieline."
            )
    if code == 0:
        answer("The history of each company gives its mappings as they are.")
    return code
