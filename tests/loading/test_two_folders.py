"""Two project folders, or two workers, that load into one database: no older reading is written over a newer one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.compare.decide import SyncResult
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.integrity.verify import verify
from dlt_threecx.run import sync_pbxs
from dlt_threecx.simulator import Fleet, Simulator
from tests.destinations.lakes import lake_environ
from tests.destinations.warehouse import Postgres, postgres
from tests.rig import config_of


class Shared:
    """One PBX, one database, and any number of folders that sync the one into the other."""

    def __init__(self, folder: Path, destination: str, simulator: Simulator, fleet: Fleet) -> None:
        self.folder, self.simulator, self.fleet = folder, simulator, fleet
        self.destination = destination

    def location(self, name: str) -> HistoryLocation:
        return HistoryLocation(self.folder / "shared.duckdb", "threecx", self.destination, self.folder / name)

    def sync(self, name: str, meanwhile: Callable[[], Any] = lambda: None, **settings: Any) -> SyncResult:
        """A sync from the folder of that name; `meanwhile` happens whenever a reading has come to its end."""
        location = self.location(name)
        location.project.mkdir(exist_ok=True)
        urls = {name or "default": url for name, url in self.simulator.base_urls.items()}
        config = replace(config_of(location.project, urls, **settings), destination=self.destination)

        def progress(pbx: str, rows: int, total: int, /) -> None:
            if total and rows >= total:
                meanwhile()

        (result,) = sync_pbxs(config, db=location.db, dataset="threecx", progress=progress)
        return result

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        with open_history(self.location("a")) as history:
            return list(history.rows(sql)[1])

    def assert_sound(self) -> None:
        with open_history(self.location("a")) as history:
            assert [verdict.disagreement for verdict in verify(history)] == [None]
        assert {row[0] for row in self.rows("select device_id from devices")} == set(self.fleet.ids())
        times = [row[0] for row in self.rows("select started_at from snapshots order by snapshot_id")]
        assert times == sorted(times)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["duckdb", "postgres", "filesystem"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    environ = lake_environ(tmp_path / "lake", "parquet")
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("server")
        server.empty()
        environ |= server.environ
    for name, value in environ.items():
        if name.startswith("DESTINATION__"):
            monkeypatch.setenv(name, value)
    fleet = Fleet(devices=30, seed=3)
    with Simulator(fleet) as simulator:
        yield Shared(tmp_path, request.param, simulator, fleet)


def test_a_reading_that_another_folder_has_overtaken_is_taken_again(shared: Shared) -> None:
    first: list[SyncResult] = []
    done: list[SyncResult] = []

    def new_folder() -> None:
        if not first:
            first.append(shared.sync("b"))

    def other_folder() -> None:
        if not done:
            shared.fleet.remove(gone)
            shared.fleet.update(moved, {"Registrar": {"IpAddress": "10.9.9.9"}})
            done.append(shared.sync("b"))

    result = shared.sync("a", new_folder)
    assert (first[0].row.added, result.row.added, result.row.previous_snapshot_id) == (30, 0, first[0].row.snapshot_id)

    gone, moved = shared.fleet.ids()[:2]
    began = datetime.now(UTC)
    result = shared.sync("a", other_folder)
    assert (done[0].row.removed, done[0].row.changed) == (1, 1)
    assert (result.exit_code, result.row.returned, result.row.changed, result.row.detail) == (0, 0, 0, None)
    assert result.row.taken_at is not None
    assert done[0].row.taken_at is not None
    assert began < done[0].row.taken_at < result.row.started_at < result.row.taken_at
    assert shared.rows("select count(*) from device_versions where change in ('removed', 'changed')") == [(2,)]
    assert shared.rows(f"select ip_address from devices where device_id = {moved}") == [("10.9.9.9",)]
    shared.assert_sound()


@pytest.mark.parametrize("shared", ["duckdb"], indirect=True)
def test_a_pbx_that_others_always_overtake_fails_alone_and_says_what_to_do(shared: Shared) -> None:
    shared.sync("a")

    def other_folder() -> None:
        shared.fleet.remove(shared.fleet.ids()[0])
        shared.sync("b")

    result = shared.sync("a", other_folder)
    assert (result.exit_code, result.row.status, result.row.reason) == (7, "failed", "overtaken")
    assert result.error is not None
    assert result.error.retryable
    assert "another sync added to its history; this happened 3 times. Nothing of it was loaded" in str(result.error)
    assert shared.rows("select status from snapshots order by snapshot_id") == [("complete",)] * 4 + [("failed",)]
    shared.assert_sound()


@pytest.mark.parametrize("shared", ["duckdb"], indirect=True)
def test_a_failed_attempt_of_another_folder_costs_no_second_reading_and_no_word_of_the_clock(shared: Shared) -> None:
    shared.sync("a")

    def other_folder() -> None:
        shared.sync("b")

    shared.simulator.set_fault("html")
    before = len(shared.simulator.requests)
    result = shared.sync("a", other_folder)
    assert result.row.status == "failed"
    assert "clock" not in (result.row.detail or "")
    assert len(shared.simulator.requests) - before < 10


def test_what_a_folder_kept_is_right_after_another_has_loaded(shared: Shared) -> None:
    for name in ("a", "a", "b", "b", "a"):
        shared.fleet.next_day()
        shared.fleet.remove(shared.fleet.ids()[0])
        assert shared.sync(name).row.status == "complete"
    shared.assert_sound()
    changes = {row[0] for row in shared.rows("select distinct change from device_versions")}
    assert {"added", "changed", "removed"} <= changes
