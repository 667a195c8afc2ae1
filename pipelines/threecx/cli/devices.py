"""`threecx devices`: the inventory, now or at a time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from pipelines.threecx.ask import History, open_history
from pipelines.threecx.cli import talk
from pipelines.threecx.cli.options import Time, place_of, talking, with_format, with_pbx
from pipelines.threecx.place import Place
from pipelines.threecx.question import Question
from pipelines.threecx.render import Format, write_rows
from pipelines.threecx.tables import DEVICE_COLUMNS

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
@place_of
@with_format
@talking
def devices(at: datetime | None, pbx: tuple[str, ...], place: Place, form: Format) -> None:
    """Devices that are there, now or at a time.

    A table shows the main columns; json, ndjson and csv have all of them. Times are UTC.
    """
    with open_history(place) as history:
        question = _now(form) if at is None else _then(history, pbx, at, form)
        question.among("pbx", pbx).ordered("pbx", "device_id")
        columns, rows = history.rows(question.sql, question.params)
        write_rows(columns, rows, form, sys.stdout)


def _now(form: Format) -> Question:
    return Question((*_KEY, *_BRIEF, "last_changed_at") if form == "table" else (*_KEY, *_COLUMNS, *_NOW), "devices")


def _then(history: History, pbx: Sequence[str], at: datetime, form: Format) -> Question:
    taken = Question(("max(taken_at)",), "complete_snapshots").where("taken_at <= ?", at).among("pbx", pbx)
    [[latest]] = history.rows(taken.sql, taken.params)[1]
    if latest is None:
        talk.note(f"There is no complete snapshot up to {at:%Y-%m-%d %H:%M:%S} UTC.")
    columns = (*_KEY, *_BRIEF, "taken_at") if form == "table" else (*_KEY, *_COLUMNS, *_THEN)
    return Question(columns, "devices_as_of(?)", at)
