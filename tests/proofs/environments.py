"""Environments of their own for the proofs: a wheel of this repository, and programs that it runs with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType

import pytest

from tests.commands import ROOT

__all__ = ["environment", "install", "run", "succeeded", "uv", "wheel"]


def run(
    *words: str | Path, environ: Mapping[str, str] = MappingProxyType({}), cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program without the packages of this process; stderr is in stdout."""
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=600,
        env={**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **environ},
    )


def succeeded(ran: subprocess.CompletedProcess[str]) -> str:
    """What it printed."""
    assert ran.returncode == 0, ran.stdout[-3000:]
    return ran.stdout


@cache
def uv() -> str:
    """The program uv: that of this machine, or one that pip installs."""
    if found := shutil.which("uv"):
        return found
    folder = Path(mkdtemp(prefix="uv"))
    succeeded(run(sys.executable, "-m", "venv", folder))
    succeeded(run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"))
    return str(folder / "bin" / "uv")


@cache
def wheel() -> Path:
    """A wheel of this repository."""
    folder = Path(mkdtemp(prefix="wheel"))
    succeeded(run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT))
    (file,) = folder.glob("*.whl")
    return file


def environment(folder: Path, *packages: str | Path, python: str = sys.executable) -> Path:
    """A new environment with these packages, or what else uv installs; the folder of its programs.

    Skips the test when this machine does not have that Python.
    """
    if run(uv(), "python", "find", "--no-python-downloads", python).returncode:
        pytest.skip(f"Python {python} is not on this machine")
    succeeded(run(uv(), "venv", "--quiet", "--no-python-downloads", "--python", python, folder))
    install(folder / "bin", *packages)
    return folder / "bin"


def install(programs: Path, *packages: str | Path) -> None:
    """Installs packages, or what else uv installs, into an environment."""
    succeeded(run(uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python", programs / "python", *packages))
