"""What the history says about each PBX, as much as news needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple

from dlt_threecx.destinations.base import History
from dlt_threecx.findings import SEVERITIES
from dlt_threecx.findings.waivers import Waiver
from dlt_threecx.queries.change_groups import FieldChange
from dlt_threecx.queries.sql_query import SqlQuery

__all__ = ["Finding", "PbxFacts", "read_changes", "read_facts"]


class Finding(NamedTuple):
    """A row of the view `findings`."""

    rule: str
    severity: str
    pbx: str
    device_id: int | None
    dn_number: str | None
    dn_name: str | None
    mac: str | None
    detail: str

    @property
    def key(self) -> str:
        """The same for the same finding, whatever its detail says today."""
        return f"{self.rule} {'-' if self.device_id is None else self.device_id}"


@dataclass(frozen=True)
class PbxFacts:
    """A PBX now: its last attempt, its last complete snapshot, and the findings about it."""

    pbx: str
    last_status: str | None = None
    """complete, refused or failed; None when it was never read."""
    last_reason: str | None = None
    last_detail: str | None = None
    last_complete_at: datetime | None = None
    devices: int | None = None
    failures: int = 0
    """Failed attempts since the last complete snapshot."""
    first_failure_at: datetime | None = None
    """The first attempt after the last complete snapshot, refused or failed."""
    findings: tuple[Finding, ...] = ()


_ATTEMPTS = """
    select
        p.pbx, p.last_status, p.last_reason, p.last_detail, p.last_complete_at, p.devices,
        count(distinct case when s.status = 'failed' then s.snapshot_id end) as failures,
        min(s.started_at) as first_failure_at
    from pbx_status p
    left join snapshots s on s.pbx = p.pbx and s.snapshot_id > coalesce(p.last_snapshot_id, '')
        and s.status in ('refused', 'failed')
    group by p.pbx, p.last_status, p.last_reason, p.last_detail, p.last_complete_at, p.devices
"""


def read_facts(
    history: History, pbxs: Collection[str], severity: str, waivers: Sequence[Waiver], today: date
) -> list[PbxFacts]:
    """The facts of these PBXs, with the findings of this severity or more that no waiver accepts."""
    found: dict[str, list[Finding]] = defaultdict(list)
    query = SqlQuery(Finding._fields, "findings").among("severity", SEVERITIES[SEVERITIES.index(severity) :])
    for finding in map(Finding._make, history.rows(query.ordered("rule", "device_id").sql, query.params)[1]):
        if not any(
            one.covers(finding.rule, finding.pbx, finding.device_id, finding.mac) and not one.has_ended(today)
            for one in waivers
        ):
            found[finding.pbx].append(finding)
    attempts = {row[0]: PbxFacts(*row) for row in history.rows(_ATTEMPTS)[1]}
    return [replace(attempts.get(pbx, PbxFacts(pbx)), findings=tuple(found[pbx])) for pbx in sorted(pbxs)]


def read_changes(history: History, since: Mapping[str, datetime]) -> dict[str, list[FieldChange]]:
    """What changed on each PBX after its own time, but for phones that went on or off line."""
    changes: dict[str, list[FieldChange]] = {pbx: [] for pbx in since}
    if not since:
        return changes
    query = SqlQuery(FieldChange._fields, "device_changes").where("changed_at > ?", min(since.values()))
    query.where("category is distinct from ?", "presence").ordered("changed_at", "pbx", "device_id", "field")
    for change in map(FieldChange._make, history.rows(query.sql, query.params)[1]):
        if change.pbx in since and change.changed_at > since[change.pbx]:
            changes[change.pbx].append(change)
    return changes
