"""`threecx devices`: the inventory, now or at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.freshness import chosen_pbxs, is_fleet, require_begun, tell_freshness
from dlt_threecx.cli.options import Time, talking, with_history, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.queries.device_filter import DeviceFilter
from dlt_threecx.queries.device_lookup import find_devices
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = ["devices"]

_KEY = ("pbx", "device_id")
_COLUMNS = tuple(column.name for column in DEVICE_COLUMNS)
_NOW = (*_KEY, *_COLUMNS, "first_seen_at", "last_changed_at", "last_confirmed_at", "versions")
_THEN = (*_KEY, *_COLUMNS, "snapshot_id", "taken_at")
_BRIEF = (
    "dn_number",
    "dn_name",
    "vendor",
    "model",
    "firmware_version",
    "ip_address",
    "online",
    "last_changed_at",
    "mac",
)
"""What a table shows; the other formats have every column."""
_IMPORTANT = (
    *("dn_number", "pbx", "dn_name", "model", "ip_address", "firmware_version", "online"),
    *("vendor", "last_changed_at", "mac"),
)
"""What stays when a table has no room for all."""


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx devices\n"
    "  threecx devices 101\n"
    "  threecx devices --search boardroom --offline\n"
    "  threecx devices --model 'T4*' --outdated --sort model,-dn_number\n"
    "  threecx devices --pbx hq --output hq.xlsx\n"
    "  threecx devices --at yesterday --columns dn_number,mac --format csv"
)
@click.argument("device", required=False)
@click.option(
    "--at",
    type=Time(end=True),
    metavar="TIME",
    help="As of the latest complete snapshot up to then: 2026-11-01 (its end), 2026-11-01T07:30, 7d (ago), yesterday.",
)
@click.option("--search", metavar="TEXT", help="Part of an extension, name, MAC, vendor, model, firmware or address.")
@click.option("--vendor", metavar="NAME", help="Only this vendor, or those like 'yea*'.")
@click.option("--model", metavar="NAME", help="Only this model, or those like 'T4*'.")
@click.option("--firmware", metavar="VERSION", help="Only this firmware, or those like '108.86.*'.")
@click.option("--online/--offline", default=None, help="Only phones that are on line, or off line.")
@click.option("--outdated", is_flag=True, help="Only phones for which there is newer firmware.")
@with_pbx
@with_history
@with_output
@talking
def devices(
    device: str | None,
    at: datetime | None,
    pbx: tuple[str, ...],
    location: HistoryLocation,
    output: Output,
    **conditions: Any,
) -> None:
    """Devices that are there, now or at a time.

    DEVICE is an extension, a MAC address in any spelling, an Id, or part of a name. In filters case, accents and the
    spelling of a MAC do not matter. A table shows the main columns that fit; the other formats and files have all of
    them.
    """
    wanted = DeviceFilter(**conditions)
    every = _NOW if at is None else _THEN
    with open_history(location) as history:
        names = chosen_pbxs(history, location, pbx)
        brief = _BRIEF if at is None else tuple("taken_at" if name == "last_changed_at" else name for name in _BRIEF)
        if output.is_table and is_fleet(history, names):
            brief = ("pbx", *brief)
        shown = output.needed(every, brief)
        asked = tuple(dict.fromkeys((*shown, *wanted.columns)))
        if at is None:
            query = SqlQuery(asked, "devices")
        else:
            require_begun(history, names, at, output)
            query = SqlQuery(asked, "devices_as_of(?)", at)
        if device is not None:
            keys = find_devices(history, device, names)
            if not keys:
                stderr.note(f"No device has, or had, the extension, MAC, Id or name '{device}'.")
            any_of = " or ".join("pbx = ? and device_id = ?" for _ in keys)
            query.where(any_of or "1 = 0", *(part for key in keys for part in key))
        query.among("pbx", names).ordered("pbx", "device_id")
        tell_freshness(history, names, output)
        _, rows = history.rows(query.sql, query.params)
        output.write(shown, _meant(rows, asked, len(shown), wanted), important=_IMPORTANT, labels=output.is_table)
    output.show()


def _meant(
    rows: Iterable[Sequence[Any]], columns: Sequence[str], shown: int, wanted: DeviceFilter
) -> Iterable[Sequence[Any]]:
    if not wanted.columns:
        return rows
    is_meant = wanted.test()
    return (row[:shown] for row in rows if is_meant(dict(zip(columns, row, strict=True))))
