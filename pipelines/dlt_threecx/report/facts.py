"""What a report says: read from the history, as of a time, for all PBXs or for some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from dlt_threecx.destinations.base import History, Row
from dlt_threecx.findings.waivers import Waiver
from dlt_threecx.integrity.verdict import Verdict
from dlt_threecx.queries.change_groups import ChangeGroup, FieldChange, change_groups
from dlt_threecx.report.questions import (
    DAILY_CHANGES,
    FINDINGS,
    INVENTORY,
    KINDS,
    LAST_CHANGES,
    LINES,
    MOVED,
    PBXS,
    rows_of,
)

__all__ = [
    "CHANGE_DAYS",
    "GONE_DAYS",
    "INVENTORY_DAYS",
    "DayCount",
    "Facts",
    "Finding",
    "Kind",
    "Moved",
    "PbxLine",
    "RuleFindings",
    "pbx_names",
    "read_facts",
]

FRESH_FOR = timedelta(hours=26)
"""A nightly snapshot may be this old before it counts as old."""

INVENTORY_DAYS, CHANGE_DAYS, GONE_DAYS = 365, 30, 90
"""How far back the page looks."""

MOST_CHANGES = 40
"""This many of the last changes are listed."""

_NAMES_ANOTHER_PBX = "mac_on_several_pbxs"
"""The one rule whose detail names another PBX."""


class PbxLine(NamedTuple):
    """The freshness of one PBX; `taken_at` and `devices` are of its last complete snapshot."""

    pbx: str
    attempted_at: datetime
    status: str
    reason: str | None
    detail: str | None
    version: str | None
    taken_at: datetime | None
    devices: int | None

    def state(self, at: datetime) -> str:
        """`failing`, `old` or `fresh`."""
        if self.status != "complete" or self.taken_at is None:
            return "failing"
        return "old" if at - self.taken_at > FRESH_FOR else "fresh"


class Kind(NamedTuple):
    """How many devices have this model and firmware."""

    vendor: str | None
    model: str | None
    firmware: str | None
    devices: int


class DayCount(NamedTuple):
    """How many devices of this kind a day has."""

    day: date
    kind: str
    devices: int
    is_carried: bool = False
    """No complete reading on that day: these are the devices of the last one."""


class Finding(NamedTuple):
    """A device that a rule finds; a finding about a whole PBX has no device."""

    pbx: str
    device_id: int | None
    number: str | None
    name: str | None
    mac: str | None
    detail: str
    since: datetime


class RuleFindings(NamedTuple):
    """What a rule says, and what it finds."""

    rule: str
    title: str
    severity: str
    why: str
    what_to_do: str
    found: list[Finding]


class Moved(NamedTuple):
    """A device that is gone, or that came back; `before_at` is when it went away before it came back."""

    change: str
    pbx: str
    device_id: int
    number: str | None
    name: str | None
    mac: str | None
    vendor: str | None
    model: str | None
    changed_at: datetime
    before_at: datetime | None


@dataclass(frozen=True)
class Facts:
    """Everything that a page shows."""

    at: datetime
    is_now: bool
    """Whether `at` is the present; findings are known for the present only."""
    pbxs: list[PbxLine]
    never_read: list[str]
    """PBXs of the settings that the history does not have."""
    verdicts: dict[str, Verdict]
    differing_views: list[str]
    """Views of the database that are not those of this release: what they say may be wrong."""
    kinds: list[Kind]
    inventory: list[DayCount]
    changes: list[DayCount]
    last_changes: list[ChangeGroup]
    findings: list[RuleFindings]
    waived: int
    gone: list[Moved]
    back: list[Moved]


def pbx_names(history: History) -> list[str]:
    """The PBXs that the history has."""
    return [str(row[0]) for row in history.rows(PBXS)[1]]


def read_facts(
    history: History,
    at: datetime,
    *,
    verdicts: Sequence[Verdict],
    differing_views: Sequence[str] = (),
    pbxs: Sequence[str] = (),
    is_now: bool = True,
    waivers: Sequence[Waiver] = (),
    never_read: Sequence[str] = (),
) -> Facts:
    """The facts up to `at` of these PBXs, or of all when none is named.

    A page about some PBXs names no other one.
    """

    def rows(sql: str, *values: Any) -> Iterator[Row]:
        return rows_of(history, sql, values, pbxs)

    last_day = _last_day(at, is_now)
    found, waived = _findings(rows(FINDINGS), waivers, pbxs) if is_now else ([], 0)
    moved = [Moved(*row) for row in rows(MOVED, at, at, at - timedelta(days=GONE_DAYS))]
    last = rows(LAST_CHANGES, at)
    groups = list(change_groups(sorted(map(FieldChange._make, last), key=_by_time)))
    return Facts(
        at=at,
        is_now=is_now,
        pbxs=[PbxLine(*row) for row in rows(LINES, at, at)],
        never_read=list(never_read),
        verdicts={verdict.pbx: verdict for verdict in verdicts},
        differing_views=list(differing_views),
        kinds=[Kind(*row) for row in rows(KINDS, at)],
        inventory=[DayCount(*row) for row in rows(INVENTORY, last_day, last_day - timedelta(days=INVENTORY_DAYS))],
        changes=[DayCount(*row) for row in rows(DAILY_CHANGES, at, at - timedelta(days=CHANGE_DAYS))],
        last_changes=groups[: -MOST_CHANGES - 1 : -1],
        findings=found,
        waived=waived,
        gone=[one for one in moved if one.change == "removed"],
        back=[one for one in moved if one.change == "returned"],
    )


def _by_time(row: FieldChange) -> tuple[Any, ...]:
    return row.changed_at, row.pbx, row.device_id, row.change, row.field or ""


def _findings(rows: Iterator[Row], waivers: Sequence[Waiver], pbxs: Sequence[str]) -> tuple[list[RuleFindings], int]:
    """The findings by rule, the most severe first, and how many a waiver covers."""
    found: dict[str, RuleFindings] = {}
    waived = 0
    for rule, title, severity, why, what_to_do, *values in rows:
        one = Finding(*values)
        if any(waiver.covers(rule, one.pbx, one.device_id, one.mac) for waiver in waivers):
            waived += 1
            continue
        if pbxs and rule == _NAMES_ANOTHER_PBX:
            one = one._replace(detail=f"{one.mac} is also on another PBX")
        found.setdefault(rule, RuleFindings(rule, title, severity, why, what_to_do, [])).found.append(one)
    return list(found.values()), waived


def _last_day(at: datetime, is_now: bool) -> date:
    """The last day that a chart shows: nothing of it is later than the page says."""
    return at.date() if is_now else (at + timedelta(microseconds=1)).date() - timedelta(days=1)
