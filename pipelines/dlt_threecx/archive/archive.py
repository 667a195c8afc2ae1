"""Archives the old part of a history: write a file, verify it, then take out of the history what is in it.

Killed before the end of the last step, the history is as it was and the archive at most a file that nobody needs yet:
the same call finishes, or says why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dlt_threecx.archive.archive_file import Counts, archived_counts, archived_seals, check_archive, written_archive
from dlt_threecx.archive.plan import Plan, plan_of
from dlt_threecx.archive.removal import DLT_STATE, remove_archived
from dlt_threecx.destinations.base import Database, History
from dlt_threecx.destinations.location import DUCKDB, POSTGRES, HistoryLocation
from dlt_threecx.destinations.open import check_destination, history_of, open_destination
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.integrity.verify import verify
from dlt_threecx.loading.work_folder import WorkFolder, private_files
from dlt_threecx.settings.dlt_environment import dlt_settings_of
from dlt_threecx.source.errors import ProtocolError, SettingsError

__all__ = ["Archival", "archive_history"]


@dataclass(frozen=True)
class Archival:
    """What was archived: of each PBX the counts, the last attempt and the head."""

    file: Path
    counts: Mapping[str, Counts]
    ends_at: Mapping[str, datetime]
    heads: Mapping[str, str]
    was_there: bool
    """The file was there already, of a call that was cut off."""


def archive_history(location: HistoryLocation, file: Path, before: datetime, wait_seconds: float) -> Archival:
    """Moves everything before a time into a file of its own.

    Raises SettingsError for nothing to do or a file that is there, DestinationError when something cannot be read or
    written, and ProtocolError when the history does not agree with itself. Then the history is as it was.
    """
    if location.destination not in (DUCKDB, POSTGRES):
        raise SettingsError(
            f"archive of {location}", "only a history in DuckDB or PostgreSQL can be archived", "Nothing was done"
        )
    if before > datetime.now(UTC):
        raise SettingsError("--before", f"{before:%Y-%m-%d %H:%M} UTC is in the future", "Name a time in the past")
    if file.suffix != ".duckdb":
        raise SettingsError(f"--output {file}", "the archive is a DuckDB file", "Give it a name that ends with .duckdb")
    if location.destination == DUCKDB and not location.db.exists():
        raise SettingsError(f"history {location.db}", "there is no such file", "Name the right one with --db")
    check_destination(location)
    work = WorkFolder(location)
    with private_files(), work.held(wait_seconds), dlt_settings_of(location.project):
        announced = work.announcement.read()
        if announced is None or announced[1]:
            raise DestinationError(
                f"archive of {location}", "an earlier sync was cut off while it loaded", "Run threecx sync first"
            )
        with closing(open_destination(location, wait_seconds=wait_seconds)) as database:
            if not isinstance(database, Database):
                raise TypeError("no database")
            return _archived(location, work, database, file, before)


def _archived(
    location: HistoryLocation, work: WorkFolder, database: Database, file: Path, before: datetime
) -> Archival:
    if not database.has_table("snapshots"):
        raise SettingsError(f"history {location}", "it is empty", "Run threecx sync first")
    history = history_of(database, location)
    plan = plan_of(history, database, before)
    was_there = file.exists()
    if was_there:
        _check_leftover(file, location, plan)
    else:
        with written_archive(history, plan, file, location.dataset) as written:
            # fails when somebody has made the file meanwhile, which a replacement would not
            file.hardlink_to(written)
    counts = archived_counts(file, location.dataset)
    seals = archived_seals(file, location.dataset, plan.followed)
    has_state = database.has_table(DLT_STATE)
    try:
        with database.transaction():
            remove_archived(database, history, plan, file.name, before, counts, seals, has_dlt_state=has_state)
            _require_agreement(history, work)
    except duckdb.Error as error:
        raise DestinationError(
            f"removal of what {file} has", first_line(error), "The history is as it was. Run again"
        ) from error
    return Archival(
        file,
        counts,
        {name: cut.head["taken_at"] or cut.head["started_at"] for name, cut in plan.cuts.items()},
        {name: cut.head["chain"] for name, cut in plan.cuts.items()},
        was_there,
    )


def _check_leftover(file: Path, location: HistoryLocation, plan: Plan) -> None:
    """Raises SettingsError unless the file is what a call that was cut off has left: the archive of this plan."""
    try:
        check_archive(file, location.dataset, plan)
    except DestinationError as error:
        raise SettingsError(
            f"--output {file}", "there is such a file already, with something else in it", "Choose another name"
        ) from error


def _require_agreement(history: History, work: WorkFolder) -> None:
    """Raises ProtocolError, which takes everything back, when the rest of the history does not agree."""
    for verdict in verify(history, remembered=work.last_head):
        if wrong := verdict.disagreement:
            raise ProtocolError(
                f"archive of PBX '{verdict.pbx}'",
                f"the history does not agree: {wrong.what}",
                "Nothing was removed. Run threecx verify, and see where it says so",
            )
