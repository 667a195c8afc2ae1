"""A sync that is killed at any of its touches of the disk, each tried: the next one is right."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from dlt_threecx.simulator import Fleet
from tests.loading.processes import Processes
from tests.loading.test_crash import Witness
from tests.rig import rigs

MANY = 50
"""A sync touches the disk more often than this."""


def test_killed_at_each_touch_of_the_disk_the_next_sync_is_right(tmp_path: Path) -> None:
    processes = Processes()
    for rig in rigs(tmp_path / "killed", Fleet(devices=60, seed=3)):
        processes.sync(rig)
        witness = Witness(rig)
        for step in count(1):
            witness.next_day()
            ended = processes.sync(rig, die_at_step=step)
            assert rig.sync().exit_code == 0
            witness.check()
            if ended.code == 0:
                # It ended before it came so far.
                assert step > ended.steps > MANY
                break
            assert ended.code == -9
    processes.close()


def test_killed_at_each_touch_in_the_very_first_sync_the_next_is_right(tmp_path: Path) -> None:
    processes, ended = Processes(), None
    for step in count(1):
        for rig in rigs(tmp_path / str(step), Fleet(devices=20, seed=3)):
            ended = processes.sync(rig, die_at_step=step)
            assert rig.sync().exit_code == 0
            Witness(rig).check()
        assert ended
        if ended.code == 0:
            assert step > ended.steps > MANY
            break
        assert ended.code == -9
    processes.close()
