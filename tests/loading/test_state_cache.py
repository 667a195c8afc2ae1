"""What is kept of the last snapshot: believed when it proves itself, and else nothing depends on it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from copy import copy as copy_of
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dlt_threecx.compare.previous import PbxState
from dlt_threecx.integrity.ledger import LedgerRow
from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, ROW_FORMAT, DeviceHash, fingerprint_part
from dlt_threecx.loading.state_cache import StateCache
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.snapshot.device_file import DEVICE_FILE_SCHEMA, device_columns
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.tables import DEVICE_COLUMNS
from tests.rig import Rig, assert_sound

AT = datetime(2026, 11, 3, tzinfo=UTC)
BEFORE = {id_: f"model {id_}" for id_ in range(1, 2500)}
NOW = BEFORE | {7: "another", 3000: "new"}
del NOW[9]


def write(file: Path, models: dict[int, str]) -> str:
    """Writes a file of devices; returns its fingerprint."""
    columns = {column.name: [None] * len(models) for column in DEVICE_COLUMNS} | {"model": list(models.values())}
    versions, tracked = DeviceHash(()).of([columns[column.name] for column in DEVICE_COLUMNS])
    given = {"device_id": list(models), **columns, "row_version": versions, "tracked_version": tracked}
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, DEVICE_FILE_SCHEMA) as writer:
        writer.write_table(pa.table(given, DEVICE_FILE_SCHEMA), max_chunksize=1000)
    return f"{sum(map(fingerprint_part, models, versions)) % FINGERPRINT_MODULUS:032x}"


def snapshot_of(file: Path, models: dict[int, str]) -> Snapshot:
    fingerprint = write(file, models)
    return Snapshot(file, len(models), fingerprint, {}, len(models), AT, 1, 1, 100, None)


def row_of(snapshot: Snapshot | None, snapshot_id: str, chain: str) -> LedgerRow:
    facts: dict[str, Any] = {"status": "failed"}
    if snapshot:
        facts = {"status": "complete", "fingerprint": snapshot.fingerprint, "devices": snapshot.devices}
    return LedgerRow(
        pbx="hq", snapshot_id=snapshot_id, base_url="", started_at=AT, chain=chain, row_format=ROW_FORMAT, **facts
    )


class Kept:
    """A folder that keeps one snapshot, and the state of the history after it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.state = PbxState()
        self.keep(snapshot_of(folder / "before.arrow", BEFORE), "s1", "chain 1")
        self.now = snapshot_of(folder / "now.arrow", NOW)

    def copied(self, folder: Path) -> Kept:
        """The same, with files of its own."""
        shutil.copytree(self.folder.parent, folder, dirs_exist_ok=True)
        copy = copy_of(self)
        copy.folder, copy.now = folder / "state", replace(self.now, file=folder / self.now.file.name)
        return copy

    def keep(self, snapshot: Snapshot | None, snapshot_id: str, chain: str) -> None:
        row = row_of(snapshot, snapshot_id, chain)
        StateCache(self.folder).keep([row], {"hq": self.state}, {"hq": snapshot} if snapshot else {})
        values = row.values()
        self.state = PbxState(values, values if snapshot else self.state.complete)

    @property
    def index(self) -> Path:
        return self.folder / "index.json"

    @property
    def file(self) -> Path:
        (file,) = self.folder.glob("*.arrow")
        return file

    def noted(self, **changed: Any) -> None:
        """Changes the index."""
        noted = json.loads(self.index.read_text())
        noted["kept"]["hq"] |= changed
        self.index.write_text(json.dumps(noted))

    def write_bytes(self, content: bytes) -> None:
        """Another file, noted as it should be."""
        self.file.write_bytes(content)
        self.noted(digest=hashlib.blake2b(content).hexdigest()[:32])

    def write_again(self, models: dict[int, str]) -> None:
        """Somebody who knows how a file is noted changes it."""
        other = self.folder.parent / "other.arrow"
        write(other, models)
        self.write_bytes(other.read_bytes())

    def is_believed(self) -> bool:
        return StateCache(self.folder).compared("hq", self.state, self.now) is not None


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("intact"))


@pytest.fixture
def kept(intact: Kept, tmp_path: Path) -> Kept:
    """A copy, for one test."""
    return intact.copied(tmp_path)


def test_a_kept_state_says_what_differs_and_how_it_was(kept: Kept) -> None:
    compared = StateCache(kept.folder).compared("hq", kept.state, kept.now)
    assert compared is not None
    assert [tuple(found) for found in compared.differences] == [
        (7, "differs", 6),
        (9, "gone", None),
        (3000, "added", 2498),
    ]
    assert compared.versions.keys() == {7, 9}
    rows = compared.rows([7, 9])
    assert rows is not None
    assert {id_: row["model"] for id_, row in rows.items()} == {7: "model 7", 9: "model 9"}


def test_attempts_that_fail_in_between_change_nothing(kept: Kept) -> None:
    for number in range(2, 5):
        kept.keep(None, f"s{number}", f"chain {number}")
    assert kept.is_believed()
    assert kept.state.snapshot_id == "s1"


def test_the_same_devices_again_leave_the_file_as_it_is(kept: Kept) -> None:
    written = kept.file.stat()
    again = snapshot_of(kept.folder.parent / "again.arrow", BEFORE)
    kept.keep(again, "s2", "chain 2")
    assert (kept.file.stat().st_ino, again.file.exists()) == (written.st_ino, True)
    assert kept.is_believed()


def test_other_devices_take_the_place_of_the_file(kept: Kept) -> None:
    kept.keep(kept.now, "s2", "chain 2")
    assert not kept.now.file.exists()
    kept.now = snapshot_of(kept.now.file, BEFORE)
    assert kept.is_believed()


def _changed(kept: Kept, **changed: Any) -> None:
    kept.state = PbxState({**kept.state.last, **changed} if kept.state.last else None, kept.state.complete)


def _complete(kept: Kept, **changed: Any) -> None:
    kept.state = PbxState(kept.state.last, {**kept.state.complete, **changed} if kept.state.complete else None)


DAMAGE: dict[str, Callable[[Kept], Any]] = {
    "no folder": lambda kept: shutil.rmtree(kept.folder),
    "no index": lambda kept: kept.index.unlink(),
    "no file": lambda kept: kept.file.unlink(),
    "half an index": lambda kept: kept.index.write_text(kept.index.read_text()[:50]),
    "an index of something else": lambda kept: kept.index.write_text("[1]"),
    "another release": lambda kept: kept.index.write_text(kept.index.read_text().replace('"maker": "', '"maker": "9.')),
    "a truncated file": lambda kept: kept.file.write_bytes(kept.file.read_bytes()[:-100]),
    "a flipped bit": lambda kept: kept.file.write_bytes(kept.file.read_bytes().replace(b"model 70", b"model 71", 1)),
    "no file of devices": lambda kept: kept.write_bytes(b"no file of devices"),
    "another row_version": lambda kept: kept.write_again(BEFORE | {20: "put in"}),
    "another row_version of a device that changed": lambda kept: kept.write_again(BEFORE | {7: "another"}),
    "a device less": lambda kept: kept.write_again({id_: model for id_, model in BEFORE.items() if id_ != 20}),
    "a device that was hidden": lambda kept: kept.write_again(BEFORE | {3000: "new"}),
    "a head that others have moved": lambda kept: _changed(kept, chain="chain of another worker"),
    "an older database": lambda kept: _complete(kept, snapshot_id="s0"),
    "another fingerprint in the ledger": lambda kept: _complete(kept, fingerprint="0" * 32),
    "another count in the ledger": lambda kept: _complete(kept, devices=3),
    "another format": lambda kept: _complete(kept, row_format=ROW_FORMAT + 1),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_state_that_does_not_prove_itself_is_not_believed(kept: Kept, name: str) -> None:
    assert kept.is_believed()
    DAMAGE[name](kept)
    assert not kept.is_believed()


def test_an_old_value_that_is_not_what_its_row_version_says_is_not_used(kept: Kept) -> None:
    table = pa.ipc.open_file(pa.BufferReader(kept.file.read_bytes())).read_all()
    models = ["put in" if id_ == 7 else model for id_, model in BEFORE.items()]
    edited = table.set_column(table.schema.get_field_index("model"), "model", pa.array(models))
    other = kept.folder.parent / "other.arrow"
    with pa.OSFile(str(other), "wb") as sink, pa.ipc.new_file(sink, DEVICE_FILE_SCHEMA) as writer:
        writer.write_table(edited.cast(DEVICE_FILE_SCHEMA))
    kept.write_bytes(other.read_bytes())
    compared = StateCache(kept.folder).compared("hq", kept.state, kept.now)
    assert compared is not None
    assert (compared.rows([7]), compared.rows([9]) is None) == (None, False)


class Twins:
    """One PBX in two histories: the state of one is damaged again and again, the other keeps none."""

    def __init__(self, folder: Path, simulator: Simulator, fleet: Fleet) -> None:
        self.fleet = fleet
        self.damaged, self.bare = (Rig(folder / name, fleet, simulator) for name in ("damaged", "bare"))
        for rig in (self.damaged, self.bare):
            rig.project.mkdir()

    @property
    def state(self) -> Path:
        (folder,) = self.damaged.work.glob("*/")
        return folder / "state"

    def sync(self, **settings: Any) -> None:
        for rig in (self.damaged, self.bare):
            rig.sync(["scope"], "test", **settings)
        for state in self.bare.work.glob("*/state"):
            shutil.rmtree(state)

    def next_day(self, **settings: Any) -> None:
        self.fleet.next_day()
        self.fleet.update(self.fleet.ids()[3], {"DN": {"Number": f"8{self.fleet.days}"}})
        self.sync(**settings)

    def check(self) -> None:
        assert told(self.damaged) == told(self.bare)
        assert_sound(self.damaged)


def told(rig: Rig) -> list[Any]:
    """The history of a rig without names and times."""
    numbers = {row["snapshot_id"]: number for number, row in enumerate(rig.ledger())}
    own = {"snapshot_id", "observed_at", "_dlt_load_id", "_dlt_id"}
    versions = [
        (numbers[row["snapshot_id"]], {name: row[name] for name in row if name not in own}) for row in rig.versions()
    ]
    kinds = ("status", "devices", "fingerprint", "shape", "added", "changed", "removed", "returned", "rebaselined")
    return [versions, [{name: row[name] for name in kinds} for row in rig.ledger()]]


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[Twins]:
    fleet = Fleet(devices=120, seed=3)
    with Simulator(fleet) as simulator:
        yield Twins(tmp_path, simulator, fleet)


def test_whatever_became_of_the_kept_state_the_history_is_the_same_value_by_value(twins: Twins, tmp_path: Path) -> None:
    twins.sync()
    twins.next_day()
    # as after a kill between the load and the keeping
    before = shutil.copytree(twins.state, tmp_path / "before")
    twins.next_day()
    shutil.rmtree(twins.state)
    shutil.copytree(before, twins.state)
    twins.next_day()
    shutil.rmtree(twins.state)
    twins.next_day()
    (file,) = twins.state.glob("*.arrow")
    file.write_bytes(file.read_bytes()[:-10])
    twins.next_day()
    # another setting for what is volatile, then a device goes
    twins.next_day(volatile=("online", "ip_address"))
    twins.fleet.remove(twins.fleet.ids()[2])
    twins.next_day(volatile=("online", "ip_address"))
    # a key, then none, and an attempt that fails in between
    twins.next_day(fingerprint_key="a-key")
    twins.damaged.simulator.set_fault("html")
    twins.sync()
    twins.damaged.simulator.set_fault(None)
    twins.next_day()
    twins.check()
    assert {"removed", "returned"} <= {row["change"] for row in twins.damaged.versions()}


def test_an_older_database_is_not_compared_with_what_was_kept_after_it(twins: Twins, tmp_path: Path) -> None:
    twins.sync()
    backup = Path(shutil.copy(twins.damaged.db, tmp_path / "backup.duckdb"))
    known = twins.damaged.fleet.ids()
    twins.fleet.remove(known[0])
    twins.damaged.sync()
    shutil.copy(backup, twins.damaged.db)
    twins.fleet.remove(known[1])
    result = twins.damaged.sync(["restored"], "the disk died")
    assert twins.damaged.changes(result.row.snapshot_id) == [(known[0], "removed", []), (known[1], "removed", [])]
    assert_sound(twins.damaged)


def test_a_state_keeps_what_the_columns_say_and_nothing_more(twins: Twins) -> None:
    twins.sync()
    (file,) = twins.state.glob("*.arrow")
    assert device_columns(file, "device_id")["device_id"].to_pylist() == sorted(twins.fleet.ids())
    assert {path.name for path in twins.state.iterdir()} == {file.name, f"{file.name}.rows.json", "index.json"}
