"""Random days with random kills: the whole command, one of its processes, at any time; the next sync is right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet
from tests.commands import ROOT, settings_of, threecx_process
from tests.loading.test_crash import Witness
from tests.proofs.test_random_histories import Life
from tests.rig import Rig, rigs

SEEDS = range(int(os.environ.get("PROVE_KILLS", "1")))
DAYS = 25
ENDINGS = {
    "killed": (signal.SIGKILL, -9),
    "its reading process killed": (signal.SIGKILL, 1),
    "SIGTERM": (signal.SIGTERM, 143),
    "Ctrl-C": (signal.SIGINT, 130),
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process does it all")


class Commands:
    """Syncs by the command, some of which are ended."""

    def __init__(self, rig: Rig, chance: random.Random) -> None:
        self.rig, self.chance = rig, chance
        self.seconds = 3.0
        """What the last whole sync took."""
        self.key: str | None = None

    @property
    def environ(self) -> dict[str, str]:
        """Other pages each time: as many rows on each, or not, as the last reading had."""
        key = {variable("fingerprint_key"): self.key} if self.key else {}
        own = {"page_size": self.chance.choice(["40", "41"]), "consistency": self.chance.choice(["once", "twice"])}
        return settings_of(self.rig.simulator) | key | {variable(name): value for name, value in own.items()}

    def whole(self) -> None:
        began = time.monotonic()
        ran = threecx_process("sync", "--db", str(self.rig.db), folder=self.rig.project, **self.environ)
        assert ran.code == 0, ran.err
        self.seconds = time.monotonic() - began

    def ended(self) -> str:
        """A sync that is ended at some time; what became of it."""
        how = self.chance.choice(list(ENDINGS))
        number, code = ENDINGS[how]
        command = [sys.executable, "-c", "from dlt_threecx.cli import main; main()", "sync", "--db", str(self.rig.db)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **self.environ}
        with subprocess.Popen(
            command, cwd=self.rig.project, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            time.sleep(self.chance.uniform(0, self.seconds))
            children = _children(process.pid)
            if how != "its reading process killed":
                process.send_signal(number)
            for child in children if code == 1 else ():
                with suppress(ProcessLookupError):
                    os.kill(child, number)
            _, said = process.communicate(timeout=120)
        # It may have done its work before; Python itself ends with the number of a signal that comes very early.
        assert process.returncode in {0, code, -number}, said
        assert "Traceback" not in said or process.returncode == -number, said
        for _ in range(100):
            if not any(Path(f"/proc/{child}").exists() for child in children):
                return f"{how}: {process.returncode}"
            time.sleep(0.1)
        raise AssertionError(f"{how}: a process is left")


def _children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except (FileNotFoundError, ProcessLookupError):
        return []


@pytest.mark.parametrize("seed", SEEDS)
def test_ended_at_any_time_on_any_day_the_next_sync_is_right(tmp_path: Path, seed: int) -> None:
    for rig in rigs(tmp_path / "history", Fleet(devices=150, seed=seed)):
        life, commands, witness = Life(rig, seed), Commands(rig, random.Random(seed)), Witness(rig)
        for day in range(DAYS):
            became = [commands.ended()]
            if commands.chance.random() < 0.3:
                became.append(commands.ended())
            if commands.chance.random() < 0.3:
                rig.simulator.set_fault("restart_midwalk", times=1)
            commands.whole()
            print(f"day {day}: {', '.join(became)}", flush=True)
            witness.check()
            verified = threecx_process("verify", "--db", str(rig.db), folder=rig.project)
            assert verified.code == 0, verified.err
            life.pass_a_day()
            commands.key = life.key
