"""`threecx diff`: what is different between two times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.freshness import chosen_pbxs, require_begun
from dlt_threecx.cli.options import Time, talking, with_history, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.queries.device_lookup import DeviceKey, device_text
from dlt_threecx.queries.diff import DiffRow, diff_rows, touched_fields
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.told_change import told_values
from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = ["diff"]

_TABLE = ("pbx", "device", "change", "field", "old → new")
_IMPORTANT = ("device", "field", "old → new", "change", "pbx")
_COLUMNS = ("pbx", "device_id", *(column.name for column in DEVICE_COLUMNS))
_BETWEEN = """
    select v.pbx, v.device_id, v.change, v.changed_fields
    from device_versions v
    join complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
    where s.taken_at > ? and s.taken_at <= ?
"""
_TOUCHED = """
    (pbx, device_id) in (
        select v.pbx, v.device_id
        from device_versions v
        join complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
        where s.taken_at > ? and s.taken_at <= ?
    )
"""


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx diff 7d 0d\n"
    "  threecx diff 2026-11-01 2026-11-08 --pbx hq\n"
    "  threecx diff 2026-11-01T07:00 2026-11-01T19:00 --presence --format json"
)
@click.argument("earlier", type=Time(end=True))
@click.argument("later", type=Time(end=True))
@click.option("--presence", is_flag=True, help="Also phones that are on line at one time and off line at the other.")
@with_pbx
@with_history
@with_output
@talking
def diff(
    earlier: datetime, later: datetime, presence: bool, pbx: tuple[str, ...], location: HistoryLocation, output: Output
) -> None:
    """What is different between two times.

    EARLIER and LATER are times such as 2026-11-01 (its end), 2026-11-01T07:30 or 7d (ago); each stands for the latest
    complete snapshot up to then. What changed in between and changed back is not shown. A device that came or went is
    one line without a field. Times are UTC.
    """
    if later < earlier:
        raise click.BadParameter("it is before the first one.", param_hint="LATER")
    with open_history(location) as history:
        known = _known(history, earlier, later, chosen_pbxs(history, location, pbx), output)
        span = [earlier, later]
        _, between = history.rows(_BETWEEN, span)
        touched = {key: fields for key, fields in touched_fields(between).items() if key.pbx in known}
        before, after = (_states(history, at, known, span) for at in span)
    found = diff_rows(before, after, touched, presence=presence)
    if output.is_table and not output.is_shaped:
        output.write(_TABLE, _told(found), important=_IMPORTANT)
    else:
        output.write(DiffRow._fields, found)
    output.show()


def _known(history: History, earlier: datetime, later: datetime, pbx: Sequence[str], output: Output) -> list[str]:
    """The PBXs that have a snapshot up to the first time; a note for those that have one up to the second only."""
    first = SqlQuery(("pbx", "min(taken_at)"), "complete_snapshots").where("not is_archived").among("pbx", pbx)
    first.where("taken_at <= ?", later)
    _, rows = history.rows(first.sql + " group by pbx order by pbx", first.params)
    begins: dict[str, datetime] = dict(rows)
    known = [name for name, at in begins.items() if at <= earlier]
    if not known:
        require_begun(history, pbx, earlier, output)
    for name in begins.keys() - set(known):
        stderr.note(f"PBX '{name}' is left out: its history begins on {output.time(begins[name])}.")
    return known


def _states(
    history: History, at: datetime, pbx: Sequence[str], span: Sequence[datetime]
) -> dict[DeviceKey, dict[str, Any]]:
    query = SqlQuery(_COLUMNS, "devices_as_of(?)", at).where(_TOUCHED, *span).among("pbx", pbx)
    _, rows = history.rows(query.sql, query.params)
    return {DeviceKey(row[0], row[1]): dict(zip(_COLUMNS, row, strict=True)) for row in rows}


def _told(found: Iterable[DiffRow]) -> Iterator[tuple[Any, ...]]:
    for one in found:
        who = device_text(one.dn_number, one.dn_name, one.mac, one.device_id)
        values = told_values(one.field, one.old_value, one.new_value) if one.field else None
        yield one.pbx, who, one.change, one.field, values
