"""Runs `threecx` as its users do: in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Simulator

__all__ = ["ROOT", "Ran", "python", "settings_of", "threecx"]

ROOT = Path(__file__).resolve().parent.parent
_RUN = "from dlt_threecx.cli import main; main()"


@dataclass(frozen=True)
class Ran:
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)


def python(*args: str, folder: Path, stdin: str = "", **environ: str) -> Ran:
    """Runs Python in a folder, with this repository on its path."""
    ran = subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **environ},
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def threecx(*args: str, folder: Path, stdin: str = "", **environ: str) -> Ran:
    """Runs a command in a folder, with these environment variables."""
    return python("-c", _RUN, *args, folder=folder, stdin=stdin, **environ)


def settings_of(simulator: Simulator) -> dict[str, str]:
    """Environment variables with which a command reads from the simulator."""
    return {
        **{variable("base_url", name or None): url for name, url in simulator.base_urls.items()},
        variable("client_id"): simulator.client_id,
        variable("client_secret"): simulator.client_secret,
        variable("backoff_seconds"): "0.01",
    }
