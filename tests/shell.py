"""Runs what documents print for a shell, after `. .venv/bin/activate`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.commands import ROOT, Ran

__all__ = ["shell"]


def shell(script: str, folder: Path, **environ: str) -> Ran:
    """Runs lines of a shell in a folder; the first that fails ends them."""
    ran = subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
            **environ,
        },
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)
