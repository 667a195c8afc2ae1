"""The file of new versions, of which one PBX can be taken out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dlt_threecx.compare.differences import Difference, Rules
from dlt_threecx.compare.versions_file import Stamp, VersionsFile
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.tables import DEVICE_COLUMNS

_COLUMNS = dict.fromkeys((column.name for column in DEVICE_COLUMNS), None)
_SNAPSHOT = Snapshot(Path("none"), 0, "", {}, 0, datetime.now(UTC), 1, 1, 100, None)


def _old(devices: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
    hashes = {"row_version": "r", "tracked_version": "t"}
    return {device: {"device_id": device, **_COLUMNS, **hashes} for device in devices}


def test_the_versions_of_one_pbx_can_be_removed_and_more_be_added(tmp_path: Path) -> None:
    versions = VersionsFile(tmp_path / "versions.parquet")

    def add(pbx: str, *devices: int) -> None:
        gone = [Difference(device, "gone", None) for device in devices]
        versions.add(Stamp(pbx, f"of {pbx}", datetime.now(UTC)), _SNAPSHOT, gone, _old, Rules())

    add("a", 1, 2)
    add("odd", *range(5001))
    versions.remove("odd")
    assert versions.rows == 2
    add("z", 3)
    versions.close()
    rows = pq.read_table(versions.path, columns=["pbx", "device_id"]).to_pylist()
    assert [(row["pbx"], row["device_id"]) for row in rows] == [("a", 1), ("a", 2), ("z", 3)]
    assert versions.rows == 3
    assert [path.name for path in tmp_path.iterdir()] == ["versions.parquet"]
