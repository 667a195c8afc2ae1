"""The devices of each PBX's last snapshot, kept in the work folder from run to run.

Nothing here is taken on trust. A file counts only for the very head of the chain that it was noted for, when it is the
file that was written, and when its devices add up to the fingerprint of that snapshot in the ledger. Else all is read
back from the destination.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlt_threecx.compare.column_differences import column_differences
from dlt_threecx.compare.differences import Difference
from dlt_threecx.compare.previous import PbxState
from dlt_threecx.integrity.ledger import LedgerRow
from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, ROW_FORMAT, DeviceHash, fingerprint_part
from dlt_threecx.snapshot.device_file import device_columns, device_rows_at, file_digest, file_format
from dlt_threecx.snapshot.known_rows import KnownFile
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = ["Compared", "StateCache"]

_Row = dict[str, Any]


@dataclass(frozen=True)
class _Kept:
    """One file, and the state that it was noted for."""

    file: str
    digest: str
    snapshot_id: str
    chain: str


@dataclass(frozen=True)
class Compared:
    """A snapshot compared with the kept state. Whether an `added` device was there before is not known here."""

    differences: list[Difference]
    versions: Mapping[int, str]
    """device_id → row_version of each device that differs or is gone, as it was."""
    rows: Callable[[Sequence[int]], dict[int, _Row] | None]
    """device_ids → their columns as they were; None when a row is not what its row_version says."""


class StateCache:
    """The kept files of one work folder, for whoever holds its lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = folder / "index.json"
        self._maker = file_format()
        self._kept = self._read()

    def compared(self, pbx: str, state: PbxState, snapshot: Snapshot) -> Compared | None:
        """The snapshot compared with what was kept of the PBX; None when that cannot be believed."""
        kept, complete = self._kept.get(pbx), state.complete
        if kept is None or complete is None or not _is_for(kept, state) or complete["row_format"] != ROW_FORMAT:
            return None
        path = self._folder / kept.file
        try:
            if file_digest(path) != kept.digest:
                return None
            before = device_columns(path, "device_id", "row_version")
        except (OSError, pa.ArrowException):
            return None
        now = device_columns(snapshot.file, "device_id", "row_version")
        found, stood = column_differences(before, now)
        # All other devices are the same on both sides: so this is the sum over the kept ones.
        total = int(snapshot.fingerprint, 16) + _sum(before, list(stood.values()))
        total -= _sum(now, [difference.position for difference in found if difference.position is not None])
        if total % FINGERPRINT_MODULUS != int(complete["fingerprint"], 16) or before.num_rows != complete["devices"]:
            return None
        versions = before["row_version"].take(pa.array(stood.values(), pa.int64())).to_pylist()

        def rows(device_ids: Sequence[int]) -> dict[int, _Row] | None:
            return _proven_rows(path, sorted(stood[device_id] for device_id in device_ids))

        return Compared(found, dict(zip(stood, versions, strict=True)), rows)

    def known_file(self, pbx: str, state: PbxState) -> KnownFile | None:
        """What was kept of the PBX for this very state, for a reading that may find the same rows again."""
        kept = self._kept.get(pbx)
        if kept is None or not _is_for(kept, state):
            return None
        return KnownFile(self._folder / kept.file, kept.digest, self._rows(kept))

    def keep(
        self, rows: Iterable[LedgerRow], states: Mapping[str, PbxState], snapshots: Mapping[str, Snapshot]
    ) -> None:
        """Keeps the snapshots that were loaded, and notes the new heads.

        `rows` are what was loaded, `states` what they continue. The files of the snapshots are moved here.
        """
        self._folder.mkdir(exist_ok=True, mode=0o700)
        for row in rows:
            state, kept = states[row.pbx], self._kept.pop(row.pbx, None)
            if kept is not None and not _is_for(kept, state):
                kept = None
            if row.status == "complete":
                snapshot = snapshots[row.pbx]
                if kept is None or not state.has_content(row.fingerprint, row.devices):
                    kept = self._taken(row.pbx, snapshot.file)
                if snapshot.rows_read:
                    self._rows(kept).write_bytes(snapshot.rows_read.written(kept.digest))
                kept = replace(kept, snapshot_id=row.snapshot_id)
            if kept is not None:
                self._kept[row.pbx] = replace(kept, chain=row.chain)
        half_written = self._index.with_suffix(".new")
        noted = {"maker": self._maker, "kept": {pbx: asdict(kept) for pbx, kept in self._kept.items()}}
        half_written.write_text(json.dumps(noted), encoding="utf-8")
        half_written.replace(self._index)

    def _rows(self, kept: _Kept) -> Path:
        return self._folder / f"{kept.file}.rows.json"

    def _taken(self, pbx: str, file: Path) -> _Kept:
        # Names of PBXs that differ only in upper and lower case would be one file on some disks.
        name = f"{hashlib.sha256(pbx.encode()).hexdigest()[:20]}.arrow"
        digest = file_digest(file)
        file.replace(self._folder / name)
        return _Kept(name, digest, "", "")

    def _read(self) -> dict[str, _Kept]:
        try:
            noted = json.loads(self._index.read_text(encoding="utf-8"))
            if noted["maker"] != self._maker:
                return {}
            return {pbx: _Kept(**kept) for pbx, kept in noted["kept"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}


def _is_for(kept: _Kept, state: PbxState) -> bool:
    return (kept.chain, kept.snapshot_id) == (state.chain, state.snapshot_id)


def _sum(table: pa.Table, places: list[int]) -> int:
    """What some devices add to a fingerprint."""
    some = table.take(pa.array(places, pa.int64()))
    return sum(map(fingerprint_part, some["device_id"].to_pylist(), some["row_version"].to_pylist()))


def _proven_rows(file: Path, places: list[int]) -> dict[int, _Row] | None:
    """The rows at some places by device_id, if each is what its row_version says."""
    rows = device_rows_at(file, places).to_pylist() if places else []
    columns = [[row[column.name] for row in rows] for column in DEVICE_COLUMNS]
    found = DeviceHash(()).of(columns)[0] if rows else []
    return {row["device_id"]: row for row in rows} if found == [row["row_version"] for row in rows] else None
