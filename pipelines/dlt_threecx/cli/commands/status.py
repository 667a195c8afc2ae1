"""`threecx status`: how fresh the history of each PBX is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import Age, talking, with_format, with_location, with_pbx
from dlt_threecx.cli.output import Format, write_rows
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.loading.work_folder import WorkFolder
from dlt_threecx.publish.outcome import read_outcome
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.times import duration_text
from dlt_threecx.settings.config import load_pbx_names
from dlt_threecx.source.errors import ExitCode

__all__ = ["status"]

_BRIEF = (
    *("pbx", "last_complete_at", "devices", "changes_24h", "changes_7d"),
    *("last_attempt_at", "last_status", "last_reason"),
)
_CLOCK_TOLERANCE = timedelta(minutes=5)
"""The clocks of two machines may differ by this much."""
_COLUMNS = (*_BRIEF, "last_detail", "last_snapshot_id", "base_url", "pbx_version", "chain")


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx status\n"
    "  threecx status --max-age 26h || echo 'the nightly sync is missing'\n"
    "  threecx status --pbx hq --format json"
)
@click.option(
    "--max-age", type=Age(), metavar="AGE", help="Exit code 5 when a last complete snapshot is older: 26h, 7d."
)
@with_pbx
@with_location
@with_format
@talking
def status(max_age: timedelta | None, pbx: tuple[str, ...], location: HistoryLocation, form: Format) -> int:
    """How fresh the history of each PBX is.

    One row per PBX: last complete snapshot, devices, changes, what became of the last attempt, and whether the settings
    of this project still have it (in_settings; null when they have none at all). With --max-age a PBX of the settings
    that has no snapshot at all counts as too old; one that is no longer in the settings does not, unless --pbx names
    it. Times are UTC.
    """
    query = SqlQuery(_BRIEF if form == "table" else _COLUMNS, "pbx_status").among("pbx", pbx).ordered("pbx")
    with open_history(location) as history:
        columns, found = history.rows(query.sql, query.params)
        rows = list(found)
    configured = load_pbx_names(location.project, os.environ)
    marked = [(*row, row[0] in configured if configured else None) for row in rows]
    write_rows([*columns, "in_settings"], marked, form, sys.stdout)
    sys.stdout.flush()
    if last := read_outcome(WorkFolder(location).path):
        age = duration_text(datetime.now(UTC) - last.ended_at)
        what = f"could not be renewed {age} ago: {last.error}" if last.error else f"was brought up to date {age} ago."
        (stderr.warning if last.error else stderr.note)(f"The copy in {last.folder} {what}")
    removed = {row[0] for row in rows if configured and row[0] not in configured}
    for name in sorted(removed):
        stderr.note(
            f"PBX '{name}' is in the history, but not in the settings: it is no longer read; "
            "its devices stay as last seen."
        )
    latest = dict.fromkeys(pbx or configured) | {row[0]: row[columns.index("last_complete_at")] for row in rows}
    if max_age is None:
        for name in sorted(latest.keys() - {row[0] for row in rows}):
            stderr.note(f"PBX '{name}' is not in the history yet.")
        return 0
    for name in removed.difference(pbx):
        del latest[name]
    problems = list(_problems(latest, datetime.now(UTC), max_age))
    for problem in problems:
        stderr.error(problem)
    return ExitCode.NOT_PROVEN if problems else ExitCode.DONE


def _problems(latest: Mapping[str, datetime | None], now: datetime, max_age: timedelta) -> Iterator[str]:
    for name, at in sorted(latest.items()):
        if at is None:
            yield f"PBX '{name}': there is no complete snapshot. Run threecx sync"
        elif at - now > _CLOCK_TOLERANCE:
            yield (
                f"PBX '{name}': the last complete snapshot is of the future ({at:%Y-%m-%d %H:%M} UTC), so its age is "
                "unknown. Check the clock of the machine that syncs"
            )
        elif now - at > max_age:
            yield f"PBX '{name}': the last complete snapshot is {duration_text(now - at)} old. Run threecx sync"
