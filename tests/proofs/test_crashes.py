"""A sync that is killed at any of its touches of the disk, each tried: the next one is right."""

from __future__ import annotations

from pathlib import Path

from dlt_threecx.simulator import Fleet
from tests.loading.processes import Processes
from tests.loading.test_crash import Witness
from tests.rig import rigs


def test_killed_at_each_touch_of_the_disk_the_next_sync_is_right(tmp_path: Path) -> None:
    processes = Processes()
    for rig in rigs(tmp_path / "killed", Fleet(devices=60, seed=3)):
        processes.sync(rig)
        witness = Witness(rig)
        witness.next_day()
        steps = processes.sync(rig).steps
        witness.check()
        for step in range(1, steps + 1):
            witness.next_day()
            assert processes.sync(rig, die_at_step=step).code == -9
            assert rig.sync().exit_code == 0
            witness.check()
    processes.close()


def test_killed_at_each_touch_in_the_very_first_sync_the_next_is_right(tmp_path: Path) -> None:
    processes, steps, step = Processes(), 2, 0
    while step < steps:
        for rig in rigs(tmp_path / str(step), Fleet(devices=20, seed=3)):
            ended = processes.sync(rig, die_at_step=step or None)
            assert ended.code == (-9 if step else 0)
            steps = ended.steps or steps
            assert rig.sync().exit_code == 0
            Witness(rig).check()
        step += 1
    processes.close()
