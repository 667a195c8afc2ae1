"""`threecx devices`: the inventory, now or at a time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import Time, talking, with_format, with_location, with_pbx
from dlt_threecx.cli.output import Format, write_rows
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = ["devices"]

_KEY = ("pbx", "device_id")
_COLUMNS = tuple(column.name for column in DEVICE_COLUMNS)
_NOW = ("first_seen_at", "last_changed_at", "last_confirmed_at", "versions")
_THEN = ("snapshot_id", "taken_at")
_BRIEF = ("dn_number", "dn_name", "mac", "vendor", "model", "firmware_version", "ip_address", "online")
"""What a table shows; the other formats have every column."""


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx devices\n"
    "  threecx devices --pbx hq --format csv > hq.csv\n"
    "  threecx devices --at 2026-11-01\n"
    "  threecx devices --at 7d --format json"
)
@click.option(
    "--at",
    type=Time(end=True),
    metavar="TIME",
    help="As of the latest complete snapshot up to then: 2026-11-01 (its end), 2026-11-01T07:30, 7d (ago).",
)
@with_pbx
@with_location
@with_format
@talking
def devices(at: datetime | None, pbx: tuple[str, ...], location: HistoryLocation, form: Format) -> None:
    """Devices that are there, now or at a time.

    A table shows the main columns; json, ndjson and csv have all of them. Times are UTC.
    """
    with open_history(location) as history:
        query = _now(form) if at is None else _then(history, pbx, at, form)
        query.among("pbx", pbx).ordered("pbx", "device_id")
        columns, rows = history.rows(query.sql, query.params)
        write_rows(columns, rows, form, sys.stdout)


def _now(form: Format) -> SqlQuery:
    return SqlQuery((*_KEY, *_BRIEF, "last_changed_at") if form == "table" else (*_KEY, *_COLUMNS, *_NOW), "devices")


def _then(history: History, pbx: Sequence[str], at: datetime, form: Format) -> SqlQuery:
    taken = SqlQuery(("max(taken_at)",), "complete_snapshots").where("taken_at <= ?", at).among("pbx", pbx)
    [[latest]] = history.rows(taken.sql, taken.params)[1]
    if latest is None:
        stderr.note(f"There is no complete snapshot up to {at:%Y-%m-%d %H:%M:%S} UTC.")
    columns = (*_KEY, *_BRIEF, "taken_at") if form == "table" else (*_KEY, *_COLUMNS, *_THEN)
    return SqlQuery(columns, "devices_as_of(?)", at)
