"""What a proof reads: the ledger and the versions, as far as their loads have finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from dlt_threecx.tables import LEDGER, VERSIONS, finished_loads

__all__ = ["SEALED", "SHOWN", "Log", "Row", "Versions", "device_versions", "ledger_rows", "marks"]

Row = Mapping[str, Any]

SEALED = ("device_id", "change", "row_version", "tracked_version", "changed_fields")
"""The columns of a version that the seal of its snapshot is made of."""

SHOWN = f"""
    (
        select distinct s.pbx, s.snapshot_id, s.row_format from snapshots s
        where s._dlt_load_id in {finished_loads("")} and s.status in ('complete', 'archived')
    ) c
"""  # noqa: S608  constants
"""The snapshots whose versions the views show."""

_LEDGER_NAMES = tuple(column.name for column in LEDGER)
_VERSION_NAMES = tuple(column.name for column in VERSIONS)
_REPLAYED = ("pbx", "snapshot_id", *SEALED, "observed_at")


class Log(Protocol):
    """The tables to verify, to read only."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Column names and rows."""


def ledger_rows(log: Log, names: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of the ledger by PBX, in order of time, each once."""
    sql = f"""
        select distinct {", ".join(f"s.{name}" for name in _LEDGER_NAMES)} from snapshots s
        where s._dlt_load_id in {finished_loads("")} and s.pbx in ({marks(names)}) order by s.pbx, s.snapshot_id
    """  # noqa: S608  names of columns are constants
    rows = (dict(zip(_LEDGER_NAMES, values, strict=True)) for values in log.rows(sql, names)[1])
    return {pbx: list(of_pbx) for pbx, of_pbx in groupby(rows, key=itemgetter("pbx"))}


class Versions:
    """The versions that any view shows, without the columns of the device, taken snapshot by snapshot."""

    def __init__(self, log: Log, names: Sequence[str]) -> None:
        sql = f"""
            select {", ".join(f"v.{name}" for name in _REPLAYED)} from device_versions v
            join {SHOWN} on c.pbx = v.pbx and c.snapshot_id = v.snapshot_id
            where v.pbx in ({marks(names)}) order by v.pbx, v.snapshot_id, v.device_id
        """  # noqa: S608  names of columns are constants
        self._rows = (dict(zip(_REPLAYED, values, strict=True)) for values in log.rows(sql, names)[1])
        self._next = next(self._rows, None)

    def of(self, pbx: str, snapshot_id: str) -> Iterator[Row]:
        """The versions of a snapshot; to be asked in order of PBX and snapshot."""
        while self._next is not None and (self._next["pbx"], self._next["snapshot_id"]) == (pbx, snapshot_id):
            yield self._next
            self._next = next(self._rows, None)

    def skip(self, pbx: str) -> None:
        """Passes over what is left of a PBX."""
        while self._next is not None and self._next["pbx"] <= pbx:
            self._next = next(self._rows, None)


def device_versions(log: Log, pbx: str, device_id: int) -> list[Row]:
    """All versions of one device, in order of time, each once."""
    sql = f"""
        select distinct {", ".join(_VERSION_NAMES)} from device_versions where pbx = ? and device_id = ?
        order by snapshot_id
    """  # noqa: S608  names of columns are constants
    return [dict(zip(_VERSION_NAMES, values, strict=True)) for values in log.rows(sql, [pbx, device_id])[1]]


def marks(values: Sequence[Any]) -> str:
    """A `?` for each value."""
    return ", ".join("?" for _ in values)
