"""The findings of `tieline doctor`."""

import os
import time
from contextlib import ExitStack

from tieline.cli.machine import Finding, of_machine
from tieline.cli.terminal import AsJson, Options, show
from tieline.postgres import database, pooler
from tieline.postgres.account import EmbeddedError
from tieline.postgres.examination import Database, examine_database
from tieline.postgres.migrate import Difference
from tieline.postgres.pipeline import DatabaseError
from tieline.postgres.refusal import refusals
from tieline.settings import Settings, SettingsError

POOLED = "one between Tieline and the database, such as PgBouncer"
CLOCK_SECONDS_MAX = 5
MEND_WALLS = (
    'Take it back. For a table: alter table tieline."NAME" enable row level security, force row level security. '
    "Until then serve does not start."
)


def doctor(*, json: AsJson = False, options: Options | None = None) -> int:
    """Check settings, database, indexes and clock, and say how to mend each fault."""
    findings = examine(options or Options())
    show(("what", "is", "to do"), findings, as_json=json)
    return 1 if any(one.remedy is not None for one in findings) else 0


def examine(options: Options) -> list[Finding]:
    """Look at settings, database and clock in this order; the first that cannot be reached ends the list."""
    try:
        settings = options.load()
    except SettingsError as error:
        return [Finding("settings", str(error), "Correct it where it is set.")]
    findings = [Finding("settings", f"data folder {settings.data_path}"), *of_machine(settings, os.environ)]
    if not settings.database_url and not (settings.data_path / "postgres").is_dir():
        return [*findings, Finding("database", "not there yet", "Make it with: tieline migrate")]
    try:
        with ExitStack() as stack:
            dsn = settings.database_url or stack.enter_context(database.reached(settings))
            before = time.time()
            with refusals():
                found = examine_database(dsn)
            clock = found.clock - (before + time.time()) / 2
            return [*findings, *_of_database(found, settings), _of_clock(clock)]
    except EmbeddedError as error:
        return [*findings, Finding("database", str(error), "See the sentence before.")]
    except DatabaseError as error:
        said = " ".join(error.message.split())
        if advice := pooler.advice(said):
            return [*findings, Finding("pooler", said, advice.removeprefix(". "))]
        return [*findings, Finding("database", f"cannot be reached: {said}", "Start it, or correct --database-url.")]


def _of_database(found: Database, settings: Settings) -> list[Finding]:
    kind = "given by its address" if settings.database_url else "embedded"
    too_old = "Move to PostgreSQL 15 or newer." if found.version < 150000 else None
    findings = [
        Finding("database", f"PostgreSQL {found.version_text}, {kind}", too_old),
        _of_pooler(found),
        Finding(
            "encoding", found.encoding, None if found.encoding == "UTF8" else "Make the database with encoding UTF8."
        ),
        Finding(
            "collation",
            found.collation,
            None if found.sorts_by_code_point else "Make the database with locale C or C.UTF-8, for a stable order.",
        ),
        *_of_rights(found, settings),
        _compared("migrations", found.comparison.migrations, "Restore the text that was applied of: {}."),
        _compared("functions", found.comparison.functions, "Run tieline migrate, which applies them again: {}."),
    ]
    if found.comparison.migrations.missing:
        return findings
    return [
        *findings,
        Finding(
            "role",
            "tieline_server" + (" may be taken" if found.may_take_role else " may not be taken"),
            None if found.may_take_role else "Run tieline migrate as the owner of the schema.",
        ),
        Finding(
            "row-level security",
            "forced" if not found.open_walls else f"does not hold: {', '.join(found.open_walls)}",
            None if not found.open_walls else MEND_WALLS,
        ),
        Finding(
            "rows",
            "all seen by this role" if not found.unreadable else f"not all seen, of {', '.join(found.unreadable)}",
            _remedy(found.unreadable, "Run tieline migrate and serve as the owner of: {}."),
        ),
        Finding(
            "indexes",
            "in order" if not found.broken_indexes else f"missing or not valid: {', '.join(found.broken_indexes)}",
            _remedy(found.broken_indexes, "reindex, or make again as in the migrations: {}."),
        ),
        Finding(
            "routines",
            "all there" if not found.missing_routines else f"missing or disabled: {', '.join(found.missing_routines)}",
            _remedy(found.missing_routines, "make again as in the migrations and functions: {}."),
        ),
        _of_counts(found),
    ]


def _of_counts(found: Database) -> Finding:
    """The counts that are kept for coverage, beside the mappings."""
    if found.miscounted:
        recount = (
            "Count anew, in tieline psql: select set_config('tieline.company', 'ID', false), tieline.recount('ID')."
        )
        return Finding("counts", f"not those of the mappings: {', '.join(found.miscounted)}", recount)
    if found.uncounted:
        return Finding("counts", f"not checked, too many mappings: {', '.join(found.uncounted)}")
    return Finding("counts", "those of the mappings")


def _of_rights(found: Database, settings: Settings) -> list[Finding]:
    rights = found.rights
    needed = settings.workers * (
        settings.lookup_connections + settings.statement_connections + settings.batch_connections
    )
    findings: list[Finding] = []
    if rights.is_read_only:
        findings.append(Finding("rights", "the database is read-only, as a standby is", "Give the primary's address."))
    elif rights.refusal:
        remedy = "Let an administrator grant it, or make the role: see docs/operations.md."
        findings.append(Finding("rights", f"the registry cannot be made: {rights.refusal}", remedy))
    elif not rights.owns_schema or rights.foreign_tables:
        others = ", ".join(rights.foreign_tables) or "the schema tieline"
        findings.append(Finding("rights", f"this role does not own {others}", "Serve and migrate as the owner."))
    else:
        findings.append(Finding("rights", "sufficient"))
    if not found.is_pooled:
        remedy = f"Raise max_connections or the role's limit above {needed}, or lower workers and connections."
        state = f"{needed} needed, {rights.connections} possible"
        findings.append(Finding("connections", state, remedy if needed > rights.connections else None))
    if rights.logged:
        findings.append(
            Finding("log of the database", f"has statements or values of clients: {', '.join(rights.logged)}")
        )
    return findings


def _of_pooler(found: Database) -> Finding:
    if not found.is_pooled:
        return Finding("pooler", "none between Tieline and the database")
    return Finding("pooler", f"{POOLED}: nothing is prepared, settings go with each transaction")


def _compared(kind: str, difference: Difference, remedy_of_changed: str) -> Finding:
    """The migrations or the functions of the database beside those of this release."""
    if difference.unknown:
        names = ", ".join(difference.unknown)
        return Finding(kind, f"of a newer release: {names}", "Use the release that the database is at.")
    if difference.missing:
        names = ", ".join(difference.missing)
        return Finding(kind, f"not all applied: {names}", "Run tieline migrate.")
    if difference.changed:
        names = ", ".join(difference.changed)
        return Finding(kind, f"applied with another text: {names}", remedy_of_changed.format(names))
    return Finding(kind, "as in this release")


def _of_clock(seconds: float) -> Finding:
    is_off = abs(seconds) > CLOCK_SECONDS_MAX
    state = f"{seconds:+.1f} s in the database"
    return Finding("clock", state, "Set both machines' clocks by NTP." if is_off else None)


def _remedy(names: list[str], text: str) -> str | None:
    return text.format(", ".join(names)) if names else None
