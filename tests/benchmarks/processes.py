"""Whole processes and what they take."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

__all__ = ["COMMAND", "ROOT", "Measured", "apart", "machine", "measured"]

Given = ParamSpec("Given")
Result = TypeVar("Result")

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "from dlt_threecx.cli import main; main()")
"""`threecx`."""


@dataclass(frozen=True)
class Measured:
    """One process with its children: seconds that passed, seconds of all processors, and its peak of memory in MB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def measured(command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> Measured:
    """Runs a command to its end in a folder. What it prints is thrown away."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 2**20)


def apart(function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Calls a function in a process of its own: processes that begin later would be born with the peak of this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def machine() -> str:
    """What the figures were measured on."""
    import duckdb

    return f"Python {sys.version.split()[0]}, DuckDB {duckdb.__version__}, {os.cpu_count()} cores"
