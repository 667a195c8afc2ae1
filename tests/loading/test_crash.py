"""A sync that is killed at any moment: the next one is right, and nothing is lost, doubled or left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlt_threecx.simulator import Fleet
from tests.commands import ROOT, settings_of
from tests.loading.processes import Processes
from tests.rig import FirstSyncs, Rig, assert_sound, counts, rigs
from tests.sync.model import Model, stored

AT_STEPS = 4
"""`make prove` kills at every step."""
AFTER_A_WHILE = 3
LOADED_FROM = "/started_jobs/"
"""Where dlt moves a file of a complete package before it loads it; the package does not count yet."""


@pytest.fixture
def rig(tmp_path: Path, first_syncs: FirstSyncs) -> Iterator[Rig]:
    yield from first_syncs.rigs(tmp_path / "killed", devices=60, seed=3)


class Witness:
    """Watches a history over many crashes, and knows what it must say."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._model, self._past = rig, Model(), rig.versions()

    def next_day(self) -> None:
        self._rig.fleet.next_day()
        self._rig.fleet.update(self._rig.fleet.ids()[0], {"DN": {"Number": f"9{self._rig.fleet.days}"}})

    def check(self) -> None:
        """The history is sound, holds all it held before, and the fleet as it is now."""
        versions = self._rig.versions()
        assert self._past == versions[: len(self._past)]
        self._past = versions
        self._model.day(self._rig.fleet.served())
        assert {device: stored(row) for device, row in self._rig.devices().items()} == self._model.there
        assert_sound(self._rig)
        assert leftovers(self._rig) == []


def leftovers(rig: Rig) -> list[str]:
    """Files of the work folder that no finished sync leaves, whatever happened before."""
    usual = {
        "lock",
        "last_head.json",
        "checked.json",
        "views.txt",
        "threecx.schema.json",
        ".version",
        "state.json",
        "trace.pickle",
    }
    kept = {path for path in rig.work.glob("*/state/*") if path.suffix in (".arrow", ".json")}
    found = (path for path in rig.work.rglob("*") if path.is_file() and path not in kept)
    return [str(path) for path in found if path.name not in usual]


def packages(rig: Rig) -> list[str]:
    """Complete packages that wait to be loaded."""
    return [path.name for path in rig.work.glob("*/dlt/threecx/load/normalized/*/")]


def test_killed_at_any_touch_of_the_disk_the_next_sync_is_right(rig: Rig, processes: Processes) -> None:
    witness = Witness(rig)
    witness.next_day()
    steps = processes.sync(rig).steps
    witness.check()
    for number in range(AT_STEPS):
        witness.next_day()
        assert processes.sync(rig, die_at_step=1 + number * steps // AT_STEPS).code == -9
        assert rig.sync().exit_code == 0
        witness.check()


def test_killed_at_any_time_the_next_sync_is_right(rig: Rig, processes: Processes) -> None:
    witness = Witness(rig)
    chance, killed = random.Random(4), 0
    for _ in range(AFTER_A_WHILE):
        witness.next_day()
        killed += processes.sync(rig, die_after_seconds=chance.uniform(0.05, 0.7)).code == -9
        assert processes.sync(rig).code == 0
        witness.check()
    assert killed > AFTER_A_WHILE // 2, "most of them had ended before they were killed"


def test_killed_in_the_very_first_sync_the_next_is_right(tmp_path: Path, processes: Processes) -> None:
    steps = 0
    for number in range(4):
        for rig in rigs(tmp_path / str(number), Fleet(devices=20, seed=3)):
            ended = processes.sync(rig, die_at_step=1 + number * steps // 4 if number else None)
            assert ended.code == (-9 if number else 0)
            steps = steps or ended.steps
            assert rig.sync().exit_code == 0
            Witness(rig).check()


def test_killed_again_and_again_the_sync_that_lives_is_right(rig: Rig, processes: Processes) -> None:
    steps = processes.sync(rig).steps
    witness = Witness(rig)
    witness.next_day()
    chance = random.Random(5)
    # A sync that finds something else left touches the disk less often.
    ended = [processes.sync(rig, die_at_step=chance.randrange(1, steps)).code for _ in range(5)]
    assert ended.count(-9) >= 3, ended
    assert rig.sync().exit_code == 0
    witness.check()


def test_a_package_that_was_not_loaded_is_finished_first(rig: Rig, processes: Processes) -> None:
    rig.fleet.remove(rig.fleet.ids()[0])
    assert processes.sync(rig, die_at_file=LOADED_FROM).code == -9
    assert packages(rig), "no package waits: this test would show nothing"
    assert len(rig.ledger()) == 1
    rig.fleet.remove(rig.fleet.ids()[0])
    result = rig.sync()
    assert counts(result) == {"removed": 1}
    assert [row["removed"] for row in rig.ledger()] == [0, 1, 1]
    assert result.row.previous_snapshot_id == rig.ledger()[1]["snapshot_id"]
    assert_sound(rig)


def test_without_its_work_folder_the_next_sync_is_right(rig: Rig, processes: Processes) -> None:
    steps = processes.sync(rig).steps
    witness = Witness(rig)
    for step in (steps // 4, steps // 2, 2 * steps // 3):
        witness.next_day()
        assert processes.sync(rig, die_at_step=step).code == -9
        shutil.rmtree(rig.work)
        assert rig.sync().exit_code == 0
        witness.check()


def test_a_whole_new_computer_goes_on_where_the_database_stands(rig: Rig, tmp_path: Path) -> None:
    rig.fleet.remove(rig.fleet.ids()[0])
    there = Rig(tmp_path / "other", rig.fleet, rig.simulator)
    there.project.mkdir()
    shutil.copy(rig.db, there.db)
    assert counts(there.sync()) == {"removed": 1}
    assert_sound(there)


def test_a_package_of_a_killed_worker_is_dropped_when_another_has_gone_on_with_its_pbx(
    rig: Rig, tmp_path: Path, processes: Processes
) -> None:
    rig.fleet.remove(rig.fleet.ids()[0])
    assert processes.sync(rig, die_at_file=LOADED_FROM).code == -9
    assert packages(rig), "no package waits: this test would show nothing"
    other = Rig(tmp_path / "other", rig.fleet, rig.simulator)
    other.project.mkdir()
    other.db = rig.db
    assert counts(other.sync()) == {"removed": 1}
    gone_on = rig.ledger()
    assert counts(rig.sync()) == {}
    assert rig.ledger()[: len(gone_on)] == gone_on
    assert len(rig.ledger()) == len(gone_on) + 1
    assert leftovers(rig) == []
    assert_sound(rig)


def test_a_sync_that_is_told_to_stop_says_so_and_leaves_the_history_as_it_was(rig: Rig) -> None:
    ledger = rig.ledger()
    rig.fleet.remove(rig.fleet.ids()[0])
    rig.simulator.set_fault("stall")
    before = len(rig.simulator.requests)
    command = [sys.executable, "-c", "from dlt_threecx.cli import main; main()", "sync", "--db", str(rig.db)]
    environ = os.environ | settings_of(rig.simulator) | {"PYTHONPATH": str(ROOT / "pipelines")}
    with subprocess.Popen(command, cwd=rig.project, env=environ, stderr=subprocess.PIPE, text=True) as process:
        while len(rig.simulator.requests) == before:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    stopped = "threecx: error: stopped by SIGTERM: what was not loaded yet is not in the history. Run it again"
    assert said.strip() == stopped
    assert rig.ledger() == ledger
    rig.simulator.set_fault(None)
    assert counts(rig.sync()) == {"removed": 1}
    assert_sound(rig)


def test_ctrl_c_while_dlt_loads_is_no_error_of_the_destination(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    rig.fleet.remove(rig.fleet.ids()[0])
    monkeypatch.setattr("dlt.load.load.Load.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rig.sync()
    monkeypatch.undo()
    rig.sync()
    assert leftovers(rig) == []
    assert_sound(rig)
