"""What the history holds, read back from the destination itself: committed packages only.

Local files could be lost or belong to another destination; what stands in the destination cannot disagree with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.threecx.compare import Known
from pipelines.threecx.destination import DuckDbFile
from pipelines.threecx.tables import DEVICE_COLUMNS, LEDGER, LOADS

__all__ = ["PbxState", "device_rows", "known_devices", "pbx_states"]

_LEDGER_NAMES = tuple(column.name for column in LEDGER)
_ROW_NAMES = ("device_id", *(column.name for column in DEVICE_COLUMNS), "row_version", "tracked_version")


@dataclass(frozen=True)
class PbxState:
    """The last attempt and the last complete snapshot of one PBX, as rows of the ledger; None when there is none."""

    last: Mapping[str, Any] | None = None
    complete: Mapping[str, Any] | None = None
    shape: Mapping[str, str] = field(default_factory=dict)

    @property
    def last_at(self) -> datetime | None:
        """No later attempt may have an earlier time than this."""
        times = [row[name] for row in (self.last, self.complete) if row for name in ("started_at", "taken_at")]
        return max((at for at in times if at is not None), default=None)

    @property
    def chain(self) -> str | None:
        """Head of the chain."""
        return self.last["chain"] if self.last else None

    @property
    def snapshot_id(self) -> str | None:
        """The last complete snapshot."""
        return self.complete["snapshot_id"] if self.complete else None


def pbx_states(destination: DuckDbFile, names: Sequence[str]) -> dict[str, PbxState]:
    """The state of each PBX."""
    if not destination.has_table("snapshots"):
        return {name: PbxState() for name in names}
    schema = destination.schema
    wanted = ", ".join(f"s.{name}" for name in _LEDGER_NAMES)
    # Identifiers are constants of this package; values are bound.
    sql = f"""
        with committed as (
            select {wanted} from {schema}.snapshots s
            join {schema}.{LOADS} l on l.load_id = s._dlt_load_id and l.status = 0
            where s.pbx in ({", ".join("?" for _ in names)})
        ), numbered as (
            select *,
                row_number() over (partition by pbx order by snapshot_id desc) as of_all,
                row_number() over (partition by pbx, status order by snapshot_id desc) as of_status
            from committed
        )
        select {", ".join(_LEDGER_NAMES)}, of_all from numbered
        where of_all = 1 or (status = 'complete' and of_status = 1)
    """  # noqa: S608
    last: dict[str, Mapping[str, Any]] = {}
    complete: dict[str, Mapping[str, Any]] = {}
    for *values, of_all in destination.rows(sql, names):
        row = dict(zip(_LEDGER_NAMES, values, strict=True))
        if of_all == 1:
            last[row["pbx"]] = row
        if row["status"] == "complete":
            complete[row["pbx"]] = row
    return {name: _state(last.get(name), complete.get(name)) for name in names}


def _state(last: Mapping[str, Any] | None, complete: Mapping[str, Any] | None) -> PbxState:
    shape = json.loads(complete["shape"]) if complete and complete["shape"] else {}
    return PbxState(last, complete, shape)


def known_devices(destination: DuckDbFile, pbx: str) -> Iterator[Known]:
    """The last version of every device of a PBX, ascending by device_id; the removed ones too."""
    if not destination.has_table("device_versions"):
        return
    for device_id, row_version, change in destination.rows(
        f"select device_id, row_version, change from ({_latest(destination)}) order by device_id",  # noqa: S608
        [pbx, pbx],
    ):
        yield Known(device_id, row_version, change == "removed")


def device_rows(destination: DuckDbFile, pbx: str, device_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The columns of the last version of some devices, by device_id."""
    if not device_ids:
        return {}
    ids = ", ".join(str(int(device_id)) for device_id in device_ids)
    sql = f"select {', '.join(_ROW_NAMES)} from ({_latest(destination, f'and v.device_id in ({ids})')})"  # noqa: S608
    return {row[0]: dict(zip(_ROW_NAMES, row, strict=True)) for row in destination.rows(sql, [pbx, pbx])}


def _latest(destination: DuckDbFile, condition: str = "") -> str:
    """The last committed version per device of one PBX (its name is bound twice), each once."""
    schema = destination.schema
    committed = f"""
        from {schema}.device_versions v
        join {schema}.snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id and s.status = 'complete'
        join {schema}.{LOADS} l on l.load_id = s._dlt_load_id and l.status = 0
        where v.pbx = ? {condition}
    """
    return f"""
        select distinct on (v.device_id) v.* from {schema}.device_versions v
        join (select v.device_id, max(v.snapshot_id) as snapshot_id {committed} group by v.device_id) newest
          on newest.device_id = v.device_id and newest.snapshot_id = v.snapshot_id
        where v.pbx = ?
    """  # noqa: S608
