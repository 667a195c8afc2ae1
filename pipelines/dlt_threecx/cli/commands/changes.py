"""`threecx changes`: what changed, field by field."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import Time, talking, with_format, with_location, with_pbx
from dlt_threecx.cli.output import Format, shown, write_rows
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import suggestion
from dlt_threecx.queries.change_groups import ChangeGroup, FieldChange, Values, change_groups
from dlt_threecx.queries.device_lookup import device_text, find_devices
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.tables import CATEGORIES, DEVICE_COLUMNS

__all__ = ["changes"]

SINCE = timedelta(days=7)

_FIELDS = tuple(column.name for column in DEVICE_COLUMNS)
_COLUMNS = (
    *("pbx", "device_id", "changed_at", "change", "field", "category", "old_value", "new_value"),
    *_FIELDS,
)


def _checked_fields(_: click.Context, __: click.Parameter, fields: tuple[str, ...]) -> tuple[str, ...]:
    for field in fields:
        if field not in _FIELDS and not field.startswith("extra."):
            raise click.BadParameter(f"'{field}' is no device column. {suggestion(field, _FIELDS)}")
    return fields


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx changes --since 24h\n"
    "  threecx changes --since 2026-11-01 --until 2026-11-07 --category firmware\n"
    "  threecx changes --device 805E0C0EA605 --since 365d --format json\n"
    "  threecx changes --pbx hq --field ip_address --field dn_number"
)
@click.option("--since", type=Time(), metavar="TIME", help="From then on: 24h (ago), 2026-11-01. Default: 7d.")
@click.option("--until", type=Time(end=True), metavar="TIME", help="Up to then; a day means its end. Default: now.")
@click.option("--field", multiple=True, metavar="COLUMN", callback=_checked_fields, help="Only this device column.")
@click.option("--category", multiple=True, type=click.Choice(CATEGORIES), help="Only this kind of change.")
@click.option("--device", metavar="DEVICE", help="Only this device: Id, MAC, extension, or part of a name.")
@click.option("--presence", is_flag=True, help="Also phones that went on or off line.")
@click.option("--group/--no-group", default=None, help="Same changes of a model as one. Default: in a table only.")
@with_pbx
@with_location
@with_format
@talking
def changes(
    since: datetime | None,
    until: datetime | None,
    field: tuple[str, ...],
    category: tuple[str, ...],
    device: str | None,
    presence: bool,
    group: bool | None,
    pbx: tuple[str, ...],
    location: HistoryLocation,
    form: Format,
) -> None:
    """What changed, field by field.

    Oldest first. A device that was added, removed or came back is one line without a field. What changed alike in
    phones of one model at the same time, such as a roll-out of firmware, is one line in a table, with their number;
    --no-group has a line per device and field, and --group does the same for the other formats. --field, --category
    and --pbx can be given several times. Times are UTC.
    """
    in_table = form == "table"
    grouped = in_table if group is None else group
    query = SqlQuery(FieldChange._fields if in_table or grouped else _COLUMNS, "device_changes")
    query.where("changed_at >= ?", since or (until or datetime.now(UTC)) - SINCE)
    if until is not None:
        query.where("changed_at <= ?", until)
    query.among("pbx", pbx).among("field", field).among("category", category)
    if not (presence or field or "presence" in category):
        query.where("category is distinct from ?", "presence")
    with open_history(location) as history:
        if device is not None:
            _only(query, history, device, pbx)
        query.ordered("changed_at", "pbx", "device_id", "field")
        columns, rows = history.rows(query.sql, query.params)
        if in_table or grouped:
            write_rows(*_told(map(FieldChange._make, rows), grouped=grouped, in_table=in_table), form, sys.stdout)
        else:
            write_rows(columns, rows, form, sys.stdout)


def _only(query: SqlQuery, history: History, device: str, pbx: tuple[str, ...]) -> None:
    keys = find_devices(history, device, pbx)
    if not keys:
        stderr.note(f"No device has, or had, the Id, MAC, extension or name '{device}'.")
    any_of = " or ".join("pbx = ? and device_id = ?" for _ in keys)
    query.where(any_of or "false", *(part for key in keys for part in key))


def _told(
    changes: Iterator[FieldChange], *, grouped: bool, in_table: bool
) -> tuple[Sequence[str], Iterator[Sequence[Any]]]:
    """Columns and rows, of causes or for a table or both."""
    if not grouped:
        columns = ("changed_at", "pbx", "device", "change", "field", "old → new")
        return columns, map(_line, changes)
    if not in_table:
        return ChangeGroup._fields, (
            (*one[:-1], [values._asdict() for values in one.changes]) for one in change_groups(changes)
        )
    return ("changed_at", "pbx", "device", "change", "what"), map(_cause_line, change_groups(changes))


def _line(one: FieldChange) -> Sequence[Any]:
    """`101 Chloé Horvát (805E0C0EA605)` … `10.31.44.76 → 10.31.44.80`."""
    who = device_text(one.dn_number, one.dn_name, one.mac, one.device_id)
    return one.changed_at, one.pbx, who, one.change, one.field, _arrow(one) if one.field else None


def _cause_line(one: ChangeGroup) -> Sequence[Any]:
    """The same, or `13 × Yealink T46U: 102, 143, 149, 172, 178 …` … `firmware_version: 108.86.0.45 → 108.86.0.90`."""
    who = ", ".join(one.examples)
    if one.devices > 1:
        model = " ".join(part for part in (one.vendor, one.model) if part) or "device"
        who = f"{one.devices} × {model}: {who}" + (" …" if one.devices > len(one.examples) else "")
    what = "; ".join(f"{change.field}: {_arrow(change)}" for change in one.changes)
    return one.changed_at, one.pbx, who, one.change, what or None


def _arrow(change: FieldChange | Values) -> str:
    return f"{shown(change.old_value) or '–'} → {shown(change.new_value) or '–'}"
