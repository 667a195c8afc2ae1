"""Versions that belong to no complete snapshot: no view shows them, but whoever reads the table does."""

from __future__ import annotations

from typing import NamedTuple

from dlt_threecx.integrity.log import Log
from dlt_threecx.integrity.verdict import Disagreement

__all__ = ["Stray", "stray_snapshots"]

_STRAYS = """
    select v.pbx, v.snapshot_id, min(s.status) as status
    from (select distinct d.pbx, d.snapshot_id from device_versions d) v
    left join snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
    where s.status is null or s.status in ('refused', 'failed')
    group by v.pbx, v.snapshot_id order by v.pbx, v.snapshot_id
"""


class Stray(NamedTuple):
    """A snapshot that has versions and should have none; without a status the ledger does not know it."""

    pbx: str
    snapshot_id: str
    status: str | None

    @property
    def disagreement(self) -> Disagreement | None:
        """None for a snapshot that the ledger does not know: a sync that was killed may have left it."""
        if self.status is None:
            return None
        return Disagreement(self.snapshot_id, f"this snapshot {_WAS[self.status]}, but the log has versions of it")


_WAS = {"refused": "was refused", "failed": "failed"}


def stray_snapshots(log: Log) -> list[Stray]:
    """The snapshots that have versions and should have none."""
    return [Stray(*row) for row in log.rows(_STRAYS)[1]]
