"""What a work folder keeps of a lake: nobody opens a file twice, and what the lake no longer has is missed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from dlt_threecx.compare.decide import SyncResult
from dlt_threecx.destinations import lake_parts
from dlt_threecx.destinations.lake_parts import Parts, files_beside, rows_of, sql_list
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import DestinationError, RefusedError
from dlt_threecx.integrity.verdict import Disagreement
from dlt_threecx.integrity.verify import verify
from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import TableFormat
from dlt_threecx.tables import LOADS, TABLES
from tests.destinations.lakes import FORMATS, lake_environ
from tests.rig import Rig, counts

_RUNS = 3


class Lake:
    """A lake with a few loads, most of which are in parts by then. One device changes before each."""

    def __init__(self, rig: Rig, table_format: TableFormat) -> None:
        self.rig, self.table_format = rig, table_format
        self.location = HistoryLocation(rig.db, destination="filesystem", project=rig.project)
        for run in range(_RUNS):
            self.change(str(run))
            assert self.sync().error is None

    def change(self, to: str) -> None:
        self.rig.fleet.update(self.rig.fleet.ids()[0], {"FirmwareVersion": to})

    def sync(self) -> SyncResult:
        config = replace(self.rig.config(table_format=self.table_format), destination="filesystem")
        (result,) = sync_pbxs(config, db=self.rig.db, dataset="threecx")
        return result

    def files(self, table: str) -> list[Path]:
        """The data files of a table, the oldest first."""
        found = (self.rig.project / "lake" / "threecx" / table).rglob("*.jsonl" if table == LOADS else "*.parquet")
        return sorted((file for file in found if "_delta_log" not in file.parts), key=lambda file: file.stat().st_mtime)

    def kept(self) -> list[Path]:
        """The parts of all tables."""
        return sorted(self.rig.work.glob("*/lake/*.parquet"))

    def named(self) -> list[Path]:
        """Those that count."""
        indexes = self.rig.work.glob("*/lake/*.json")
        return sorted(Path(part["path"]) for index in indexes for part in json.loads(index.read_text()))

    def devices(self) -> list[object]:
        with open_history(self.location) as history:
            return sorted(history.rows("select * exclude (last_confirmed_at) from devices")[1], key=repr)

    def proof(self) -> list[Disagreement | None]:
        with open_history(self.location) as kept, kept.original() as history:
            return [verdict.disagreement for verdict in verify(history)]


@pytest.fixture(autouse=True)
def two_files_make_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_parts, "_LEAST", 2)


@pytest.fixture(params=["parquet"])
def lake(rig: Rig, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lake:
    for name, value in lake_environ(rig.project / "lake", request.param).items():
        monkeypatch.setenv(name, value)
    return Lake(rig, request.param)


@pytest.mark.parametrize("lake", FORMATS, indirect=True)
def test_files_that_are_in_a_part_are_opened_by_nobody_but_verify(lake: Lake) -> None:
    assert lake.proof() == [None]
    before = lake.devices()
    for table in (*TABLES, LOADS):
        lake.files(table)[0].write_bytes(b"nobody can read this")
    assert lake.devices() == before
    gone = lake.rig.fleet.remove(lake.rig.fleet.ids()[1])
    assert counts(lake.sync()) == {"removed": 1}
    lake.rig.fleet.restore(gone["Id"])
    assert counts(lake.sync()) == {"returned": 1}
    assert len(lake.devices()) == len(before)
    with pytest.raises(DestinationError):
        lake.proof()


def test_an_open_history_goes_on_answering_while_parts_become_larger(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "select count(*) from snapshots"
    with open_history(lake.location) as history:
        before, first = list(history.rows(asked)[1]), lake.kept()
        for run in range(6):
            lake.change(f"later {run}")
            assert lake.sync().error is None
        assert list(history.rows(asked)[1]) == before
    assert set(first) - set(lake.named())
    monkeypatch.setattr(lake_parts, "_OPEN_SECONDS", -1)
    for run in range(2):
        lake.change(f"at last {run}")
        assert lake.sync().error is None
    assert lake.kept() == lake.named()


def test_parts_are_known_from_every_working_folder(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    there = HistoryLocation(lake.rig.db, destination="filesystem", project=Path())
    monkeypatch.chdir(lake.rig.project)
    before = lake.devices()
    for table in TABLES:
        lake.files(table)[0].write_bytes(b"nobody can read this")
    with open_history(there) as history:
        monkeypatch.chdir("/")
        assert len(list(history.rows("select * from devices")[1])) == len(before)


@pytest.mark.parametrize(
    ("table", "message"),
    [("snapshots", "the ledger has no row of the load"), (LOADS, "has lost its load in _dlt_loads")],
)
def test_a_file_that_is_lost_is_missed_although_a_part_has_its_rows(lake: Lake, table: str, message: str) -> None:
    lake.files(table)[0].unlink()
    with pytest.raises(RefusedError, match=message):
        lake.sync()


def test_versions_that_are_lost_are_missed_by_verify(lake: Lake) -> None:
    lake.files("device_versions")[0].unlink()
    assert len(lake.proof()) == 1
    assert lake.proof() != [None]


def test_a_lake_that_is_put_back_is_missed(lake: Lake) -> None:
    old = {table: lake.files(table) for table in (*TABLES, LOADS)}
    lake.change("new")
    assert lake.sync().error is None
    for table, files in old.items():
        for file in set(lake.files(table)).difference(files):
            file.unlink()
    with pytest.raises(RefusedError, match="it no longer has snapshot"):
        lake.sync()


@pytest.mark.parametrize("harm", [lambda part: part.unlink(), lambda part: part.write_bytes(part.read_bytes()[:-9])])
def test_without_a_part_its_files_are_read_again(lake: Lake, harm: Callable[[Path], object]) -> None:
    before = lake.devices()
    assert lake.kept()
    for part in lake.kept():
        harm(part)
    lake_parts._is_whole.cache_clear()
    assert lake.devices() == before
    assert lake.sync().error is None
    assert lake.devices() == before


def _store(folder: Path) -> Parts:
    (folder / ".threecx").mkdir(exist_ok=True)
    location = HistoryLocation(folder / "phones.duckdb", destination="filesystem", project=folder)
    location.work_folder.mkdir(exist_ok=True)
    return Parts(location, LOADS)


def _relation(files: Sequence[str]) -> str:
    return f"read_json({sql_list(files)}, columns = {{load_id: 'varchar'}})"


def test_there_are_few_parts_and_they_have_each_row_once(tmp_path: Path) -> None:
    files: list[str] = []
    with duckdb.connect() as connection:
        for number in range(40):
            (file := tmp_path / f"{number:02}.jsonl").write_text(f'{{"load_id": "{number:02}"}}')
            files.append(str(file))
            parts = _store(tmp_path).grown(files, connection, _relation)
            assert len(parts) <= 5
            assert len(files_beside(parts, files)) < 2
        rows = connection.execute(f"select load_id from ({rows_of(parts)})").fetchall()
    assert rows == [(f"{number:02}",) for number in range(40)]
    kept = list(tmp_path.glob(".threecx/*/lake/*.parquet"))
    assert {part.path for part in parts} <= {str(path) for path in kept}


def test_a_mark_of_a_load_that_is_not_yet_written_is_in_no_part(tmp_path: Path) -> None:
    files = [str(tmp_path / f"{number}.jsonl") for number in range(3)]
    for file in files[:2]:
        Path(file).write_text('{"load_id": "1"}')
    Path(files[2]).touch()
    with duckdb.connect() as connection:
        assert _store(tmp_path).grown(files, connection, _relation) == []
        Path(files[2]).write_text('{"load_id": "1"}')
        assert [part.files for part in _store(tmp_path).grown(files, connection, _relation)] == [files]
