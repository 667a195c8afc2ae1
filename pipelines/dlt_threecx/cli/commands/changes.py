"""`threecx changes`: what changed, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.freshness import chosen_pbxs, is_fleet, tell_archive, tell_freshness
from dlt_threecx.cli.options import Time, talking, with_history, with_output, with_pbx
from dlt_threecx.cli.output import Output, without
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import suggestion
from dlt_threecx.queries.change_groups import ChangeGroup, FieldChange, change_groups
from dlt_threecx.queries.device_lookup import device_text, find_devices
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.told_change import told_change, told_values
from dlt_threecx.tables import CATEGORIES, DEVICE_COLUMNS

__all__ = ["changes"]

SINCE = timedelta(days=7)

_FIELDS = tuple(column.name for column in DEVICE_COLUMNS)
_BRIEF = ("changed_at", "pbx", "dn_number", "dn_name", "change", "field", "old_value", "new_value")
_IMPORTANT = ("what", "old → new", "device", "changed_at", "field", "change", "pbx")
_COLUMNS = (
    *("pbx", "device_id", "changed_at", "change", "field", "category", "old_value", "new_value"),
    *_FIELDS,
)
_PRINTED = tuple(name for name in _COLUMNS if name != "extra")
"""What a file or a program gets. `extra` is long, and what changed in it has lines of its own: --columns has it."""


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
@click.option(
    "--field",
    multiple=True,
    metavar="COLUMN",
    callback=_checked_fields,
    shell_complete=lambda _, __, begun: [name for name in _FIELDS if name.startswith(begun)],
    help="Only this device column.",
)
@click.option("--category", multiple=True, type=click.Choice(CATEGORIES), help="Only this kind of change.")
@click.option("--device", metavar="DEVICE", help="Only this device: extension, MAC, Id, or part of a name.")
@click.option("--presence", is_flag=True, help="Also phones that went on or off line.")
@click.option("--group/--no-group", default=None, help="Same changes of a model as one. Default: in a table only.")
@with_pbx
@with_history
@with_output
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
    output: Output,
) -> None:
    """What changed, field by field.

    Oldest first. A device that was added, removed or came back is one line without a field. What changed alike in
    phones of one model at the same time, such as a roll-out of firmware, is one line in a table, with their number;
    --no-group has a line per device and field, and --group does the same for the other formats. --field, --category
    and --pbx can be given several times. Times are UTC. The column extra is there only when --columns names it: what
    changed within it has lines of its own.
    """
    for_people = output.is_table and not output.is_shaped
    grouped = for_people if group is None else group
    if grouped or for_people:
        asked: Sequence[str] = FieldChange._fields
    else:
        asked = output.needed(_COLUMNS if output.columns else _PRINTED, _BRIEF)
    query = SqlQuery(asked, "device_changes")
    since = since or (until or datetime.now(UTC)) - SINCE
    query.where("changed_at >= ?", since)
    if until is not None:
        query.where("changed_at <= ?", until)
    query.among("field", field).among("category", category)
    if not (presence or field or "presence" in category):
        query.where("category is distinct from ?", "presence")
    with open_history(location) as history:
        names = chosen_pbxs(history, location, pbx)
        query.among("pbx", names)
        if device is not None:
            _only(query, history, device, names)
        query.ordered("changed_at", "pbx", "device_id", "field")
        tell_freshness(history, names, output)
        tell_archive(history, names, since, output)
        one_pbx = not is_fleet(history, names)
        columns, found = history.rows(query.sql, query.params)
        rows: Iterable[Sequence[Any]] = found
        if grouped or for_people:
            columns, rows = _told(map(FieldChange._make, found), grouped=grouped, for_people=for_people)
        if for_people and one_pbx:
            columns, rows = without("pbx", columns, rows)
        output.write(columns, rows, important=_IMPORTANT)
    output.show()


def _only(query: SqlQuery, history: History, device: str, pbx: Sequence[str]) -> None:
    keys = find_devices(history, device, pbx)
    if not keys:
        stderr.note(f"No device has, or had, the extension, MAC, Id or name '{device}'.")
    any_of = " or ".join("pbx = ? and device_id = ?" for _ in keys)
    query.where(any_of or "1 = 0", *(part for key in keys for part in key))


def _told(
    changes: Iterator[FieldChange], *, grouped: bool, for_people: bool
) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """Columns and rows, of causes or for a table or both."""
    if not grouped:
        columns = ["changed_at", "pbx", "device", "change", "field", "old → new"]
        return columns, map(_line, changes)
    if not for_people:
        return list(ChangeGroup._fields), (
            (*one[:-1], [values._asdict() for values in one.changes]) for one in change_groups(changes)
        )
    return ["changed_at", "pbx", "device", "change", "what"], map(_cause_line, change_groups(changes))


def _line(one: FieldChange) -> Sequence[Any]:
    """`101 Chloé Horvát` … `10.31.44.76 → 10.31.44.80`."""
    who = device_text(one.dn_number, one.dn_name, *((None, None) if one.dn_number else (one.mac, one.device_id)))
    return one.changed_at, one.pbx, who, one.change, one.field, _arrow(one)


def _cause_line(one: ChangeGroup) -> Sequence[Any]:
    """The same, or `13 × Yealink T46U: 102, 143, 149, 172, 178 …` … `firmware_version: 108.86.0.45 → 108.86.0.90`."""
    who = ", ".join(one.examples)
    if one.devices > 1:
        model = " ".join(part for part in (one.vendor, one.model) if part) or "device"
        who = f"{one.devices} × {model}: {who}" + (" …" if one.devices > len(one.examples) else "")
    what = "; ".join(told_change(change.field, change.old_value, change.new_value) for change in one.changes)
    return one.changed_at, one.pbx, who, one.change, what or None


def _arrow(change: FieldChange) -> str | None:
    return told_values(change.field, change.old_value, change.new_value) if change.field else None
