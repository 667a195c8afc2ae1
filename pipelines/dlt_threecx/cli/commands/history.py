"""`threecx history`: the story of a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.cells import shown
from dlt_threecx.cli.freshness import chosen_pbxs, tell_archive, tell_freshness
from dlt_threecx.cli.options import talking, with_history, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.queries.device_lookup import DeviceKey, device_text, find_devices, find_macs
from dlt_threecx.queries.device_story import SAME_COLUMNS, Elsewhere, Event, elsewhere, events, macs_of
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.times import duration_text
from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = ["history"]

_INTERVAL = ("valid_from", "valid_to", "is_current", "opened_by", "closed_by")
_COLUMNS = ("pbx", "device_id", *_INTERVAL, *(column.name for column in DEVICE_COLUMNS))
_CHANGE = ("pbx", "device_id", "changed_at", "field", "old_value", "new_value")


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx history 80:5E:0C:0E:A6:05\n"
    "  threecx history 101 --pbx hq\n"
    "  threecx history boardroom --format json"
)
@click.argument("device")
@with_pbx
@with_history
@with_output
@talking
def history(device: str, pbx: tuple[str, ...], location: HistoryLocation, output: Output) -> None:
    """The story of one device.

    DEVICE is an extension, a MAC address in any spelling, an Id (id:12 when 12 is an extension as well), or part of a
    name. Devices that are gone count, and so does what a device was called once; several devices give several stories.
    The story tells what happened, how long it stayed so, and where the same phone is or was under another Id, on any
    PBX; the other formats have the rows of the view device_history.
    """
    with open_history(location) as past:
        names = chosen_pbxs(past, location, pbx)
        keys = find_devices(past, device, names)
        if not keys:
            stderr.note(f"No device has, or had, the extension, MAC, Id or name '{device}'.")
        else:
            pbxs = sorted({key.pbx for key in keys})
            tell_freshness(past, pbxs, output)
            tell_archive(past, pbxs, None, output)
        rows = list(_rows(past, keys, _COLUMNS, "device_history", "valid_from"))
        if not output.is_table or output.is_shaped:
            output.write(_COLUMNS, rows)
            return
        intervals = _by_device(_COLUMNS, rows)
        changes = _by_device(_CHANGE, _rows(past, keys, _CHANGE, "device_changes", "changed_at", "field", tracked=True))
        macs = {key: macs_of(lines) for key, lines in intervals.items()}
        same = find_macs(past, set().union(*macs.values()))
        others = [
            dict(zip(SAME_COLUMNS, row, strict=True))
            for row in _rows(past, same, SAME_COLUMNS, "device_history", "valid_from")
        ]
    now = datetime.now(UTC)
    stories = [
        _story(lines, events(lines, changes.get(key, []), now), elsewhere(key, macs[key], others), output.zone)
        for key, lines in intervals.items()
    ]
    output.text(["\n".join(stories)])
    output.show()


def _rows(
    past: History, keys: Sequence[DeviceKey], columns: Sequence[str], view: str, *order: str, tracked: bool = False
) -> Iterable[tuple[Any, ...]]:
    if not keys:
        return []
    query = SqlQuery(columns, view).among("device_id", {key.device_id for key in keys})
    query.among("pbx", {key.pbx for key in keys}).ordered("pbx", "device_id", *order)
    if tracked:
        query.where("category is distinct from ?", "presence")
    _, rows = past.rows(query.sql, query.params)
    wanted = set(keys)
    return (row for row in rows if DeviceKey(row[0], row[1]) in wanted)


def _by_device(columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> dict[DeviceKey, list[Mapping[str, Any]]]:
    found: dict[DeviceKey, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(DeviceKey(row[0], row[1]), []).append(dict(zip(columns, row, strict=True)))
    return found


def _story(
    intervals: Sequence[Mapping[str, Any]], happened: Sequence[Event], others: Sequence[Elsewhere], zone: tzinfo
) -> str:
    """A heading, a line per event, and one per other place of the phone."""
    last = intervals[-1]
    known = [last[name] for name in ("dn_number", "dn_name", "vendor", "model", "mac")]
    heading = [f"{last['pbx']} device {last['device_id']}", *(str(value) for value in known if value)]
    times = [f"{shown(event.at, zone)}  {event.kind:<12}" for event in happened]
    lines = [
        f"  {time}{_lasted(event):<18}{shown(event.what)}".rstrip() for time, event in zip(times, happened, strict=True)
    ]
    return "\n".join([shown(" · ".join(heading)), *lines, *(_other_place(other, zone) for other in others)]) + "\n"


def _other_place(other: Elsewhere, zone: tzinfo) -> str:
    """`same phone: leeds device 12 · 105 Zoë Novák (805E0C0EA605), from 2026-11-04 to 2026-11-19`."""
    who = device_text(other.dn_number, other.dn_name, other.mac, None)
    until = f" to {shown(other.until, zone)}" if other.until else " on"
    return shown(
        f"  same phone: {other.key.pbx} device {other.key.device_id} · {who}, from {shown(other.since, zone)}{until}"
    )


def _lasted(event: Event) -> str:
    length = duration_text(event.lasted)
    if event.kind == "removed":
        return f"gone {length}"
    return f"{length} so far" if event.is_last else length
