"""Versions of a first snapshot: the shorter way writes what the way of all others would."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dlt_threecx.compare.differences import Rules, differences
from dlt_threecx.compare.versions_file import Stamp, VersionsFile
from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.simulator import CLIENT_SECRET, Fleet, Simulator
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.snapshot.take_snapshot import take_snapshot
from dlt_threecx.source.client import Client
from dlt_threecx.source.settings import Settings

STAMP = Stamp("hq", "20261124T070000.000000Z-aaaaaa", datetime(2026, 11, 24, 7, tzinfo=UTC))


def snapshot_of(fleet: Fleet, folder: Path) -> Snapshot:
    with Simulator(fleet) as pbx:
        settings = Settings(pbx.base_url, client_id=pbx.client_id, client_secret=CLIENT_SECRET)
        return take_snapshot(PbxConfig("hq", settings), Client(settings), folder, ("online",))


@pytest.mark.parametrize("devices", [0, 1, 230])
def test_a_first_snapshot_is_written_as_one_in_which_every_device_is_new(tmp_path: Path, devices: int) -> None:
    snapshot = snapshot_of(Fleet(devices=devices, seed=3, shape="later"), tmp_path)
    first, each = VersionsFile(tmp_path / "first.parquet"), VersionsFile(tmp_path / "each.parquet")
    written = first.add_first(STAMP, snapshot)
    changes = list(differences((), snapshot.seen()))
    assert written == each.add(STAMP, snapshot, changes, lambda _: {}, Rules())
    first.close()
    each.close()
    assert written.counts == Counter(added=devices)
    assert pq.read_table(first.path).equals(pq.read_table(each.path))
    assert first.rows == each.rows == devices


def test_small_pbxs_share_a_group_of_rows_and_one_of_them_can_be_removed(tmp_path: Path) -> None:
    snapshot = snapshot_of(Fleet(devices=3, seed=3), tmp_path)
    file = VersionsFile(tmp_path / "versions.parquet")
    for pbx in ("hq", "leeds", "york"):
        file.add_first(replace(STAMP, pbx=pbx), snapshot)
    file.remove("leeds")
    file.close()
    assert pq.read_table(file.path).column("pbx").to_pylist() == ["hq"] * 3 + ["york"] * 3
    assert file.rows == 6
    assert pq.ParquetFile(file.path).num_row_groups == 1
