"""`threecx status`: how fresh the history of each PBX is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.freshness import chosen_pbxs
from dlt_threecx.cli.monitors import MONITORS, NAGIOS_CRITICAL, nagios_line, prometheus_text, write_text
from dlt_threecx.cli.options import Age, talking, with_location, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.publish.outcome import read_outcome
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.times import ago_text, duration_text, is_ahead
from dlt_threecx.settings.config import load_pbx_names
from dlt_threecx.source.errors import ExitCode

__all__ = ["status"]

_COLUMNS = (
    *("pbx", "last_complete_at", "devices", "changes_24h", "changes_7d"),
    *("last_attempt_at", "last_status", "last_reason", "last_detail", "last_snapshot_id"),
    *("base_url", "pbx_version", "chain"),
)
_TABLE = ("pbx", "state", "last complete", "devices", "24 h", "7 d", "last attempt", "version", "reason")
_NAGIOS_AGE = timedelta(hours=26)
"""How old a snapshot may be for Nagios when nobody says."""
_IMPORTANT = ("pbx", "state", "last complete", "reason", "devices", "last attempt")

Row = dict[str, Any]


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx status\n"
    "  threecx status --max-age 26h || echo 'the nightly sync is missing'\n"
    "  threecx status --pbx hq --format json\n"
    "  threecx status --format prometheus --output /var/lib/node_exporter/threecx.prom\n"
    "  threecx status --format nagios --max-age 26h"
)
@click.option(
    "--max-age", type=Age(), metavar="AGE", help="Exit code 5 when a last complete snapshot is older: 26h, 7d."
)
@with_pbx
@with_location
@partial(with_output, monitors=MONITORS)
@talking
def status(max_age: timedelta | None, pbx: tuple[str, ...], location: HistoryLocation, output: Output) -> int:
    """How fresh the history of each PBX is.

    The first line counts, then comes a row per PBX, failures first: last complete snapshot, devices, changes in a day
    and a week, and the last attempt. JSON and files have all columns, and whether the settings of this project still
    have the PBX (in_settings; null when they have none at all). With --max-age a PBX of the settings that has no
    snapshot at all counts as too old; one that is no longer in the settings does not, unless --pbx names it.
    For monitoring: --format prometheus has metrics, --format nagios one line and the exit codes 0 and 2.
    """
    with open_history(location) as history:
        pbx = tuple(chosen_pbxs(history, location, pbx))
        query = SqlQuery(_COLUMNS, "pbx_status").among("pbx", pbx).ordered("pbx")
        _, found = history.rows(query.sql, query.params)
        rows: list[Row] = [dict(zip(_COLUMNS, row, strict=True)) for row in found]
    configured = load_pbx_names(location.project, os.environ)
    now = datetime.now(UTC)
    if output.form in MONITORS:
        known = {row["pbx"]: row for row in rows if pbx or not configured or row["pbx"] in configured}
        return _to_monitor(dict.fromkeys(pbx or configured) | known, now, max_age, output)
    if output.is_table and not output.is_shaped:
        output.text([_summary(rows, now, max_age)])
        lines = [_line(row, now, max_age) for row in _worst_first(rows, now, max_age)]
        kept = [i for i in range(len(_TABLE)) if not rows or any(line[i] is not None for line in lines)]
        output.write([_TABLE[i] for i in kept], [[line[i] for i in kept] for line in lines], important=_IMPORTANT)
    else:
        marked = [(*row.values(), row["pbx"] in configured if configured else None) for row in rows]
        output.write((*_COLUMNS, "in_settings"), marked)
    output.show()
    if last := read_outcome(location.work_folder):
        ago = ago_text(last.ended_at, now)
        what = f"could not be renewed {ago}: {last.error}" if last.error else f"was brought up to date {ago}."
        (stderr.warning if last.error else stderr.note)(f"The copy in {last.folder} {what}")
    removed = {row["pbx"] for row in rows if configured and row["pbx"] not in configured}
    for name in sorted(removed):
        stderr.note(
            f"PBX '{name}' is in the history, but not in the settings: it is no longer read; "
            "its devices stay as last seen."
        )
    latest: dict[str, Row | None] = dict.fromkeys(pbx or configured)
    latest |= {row["pbx"]: row for row in rows}
    if max_age is None:
        for name in sorted(name for name, row in latest.items() if row is None):
            stderr.note(f"PBX '{name}' is not in the history yet. Run threecx sync")
        return 0
    for name in removed.difference(pbx):
        del latest[name]
    problems = list(_problems(latest, now, max_age))
    for problem in problems:
        stderr.error(problem)
    return ExitCode.NOT_PROVEN if problems else ExitCode.DONE


def _to_monitor(states: Mapping[str, Row | None], now: datetime, max_age: timedelta | None, output: Output) -> int:
    """Prometheus gets metrics, and has its own limits; a plugin of Nagios has its own exit codes."""
    if output.form == "prometheus":
        write_text(prometheus_text(states, now), output.path)
        return ExitCode.DONE
    problems = list(_problems(states, now, max_age or _NAGIOS_AGE))
    write_text(nagios_line(states, problems), output.path)
    return NAGIOS_CRITICAL if problems else ExitCode.DONE


def _state(row: Row, now: datetime, max_age: timedelta | None) -> str:
    """fresh, failed, refused, stale, never read, or ahead (of this machine's clock)."""
    if row["last_complete_at"] is None:
        return "never read"
    if row["last_status"] != "complete":
        return str(row["last_status"])
    if is_ahead(row["last_complete_at"], now):
        return "ahead"
    return "stale" if max_age is not None and now - row["last_complete_at"] > max_age else "fresh"


def _worst_first(rows: list[Row], now: datetime, max_age: timedelta | None) -> list[Row]:
    return sorted(rows, key=lambda row: (_state(row, now, max_age) == "fresh", row["pbx"]))


def _summary(rows: list[Row], now: datetime, max_age: timedelta | None) -> str:
    """`58 of 60 fresh, 2 failing`."""
    states = [_state(row, now, max_age) for row in rows]
    fresh, stale = states.count("fresh"), states.count("stale")
    failing = len(states) - fresh - stale
    counts = [f"{stale} stale"] if stale else []
    counts += [f"{failing} failing"] if failing else []
    return ", ".join([f"{fresh} of {len(states)} fresh", *counts]) + "\n"


def _line(row: Row, now: datetime, max_age: timedelta | None) -> tuple[Any, ...]:
    complete = row["last_status"] == "complete"
    return (
        *(row["pbx"], _state(row, now, max_age), _ago(row["last_complete_at"], now), row["devices"]),
        *(row["changes_24h"], row["changes_7d"], None if complete else _ago(row["last_attempt_at"], now)),
        *(row["pbx_version"], None if complete else row["last_reason"]),
    )


def _ago(at: datetime | None, now: datetime) -> str | None:
    return None if at is None else ago_text(at, now)


def _problems(latest: Mapping[str, Row | None], now: datetime, max_age: timedelta) -> Iterator[str]:
    for name, row in sorted(latest.items()):
        last = ""
        if row is not None and row["last_status"] != "complete":
            was = "failed" if row["last_status"] == "failed" else f"was {row['last_status']}"
            last = f"the last attempt {was} {_ago(row['last_attempt_at'], now)} ({row['last_reason']})"
        do = ". Run threecx sync"
        if row is not None and row["last_status"] == "failed":
            do = f". See threecx check --pbx {name}"
        if row is None or row["last_complete_at"] is None:
            yield f"PBX '{name}': never read{': ' if last else ''}{last}{do}"
            continue
        age = now - row["last_complete_at"]
        if is_ahead(row["last_complete_at"], now):
            when = f"{row['last_complete_at']:%Y-%m-%d %H:%M} UTC"
            yield (
                f"PBX '{name}': the last complete snapshot is of the future ({when}), so its age is unknown. "
                "Check the clock of the machine that syncs"
            )
        elif age > max_age:
            last = f"; {last}" if last else ""
            yield f"PBX '{name}': the last complete snapshot is {duration_text(age)} old{last}{do}"
