"""Runs commands of `threecx`: in this process, which is fast, or in one of its own."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.cli import main
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Simulator

__all__ = ["ROOT", "Ran", "python", "settings_of", "threecx", "threecx_process"]

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
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300", **environ},
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def threecx_process(*args: str, folder: Path, stdin: str = "", **environ: str) -> Ran:
    """Runs a command in a process of its own: for tests in which that makes a difference."""
    return python("-c", _RUN, *args, folder=folder, stdin=stdin, **environ)


def threecx(*args: str, folder: Path, stdin: str = "", **environ: str) -> Ran:
    """Runs a command in a folder, with these environment variables, in this process.

    Python and the libraries need a second to start, a command some hundredths.
    """
    streams = [io.TextIOWrapper(io.BytesIO(content), encoding="utf-8") for content in (stdin.encode(), b"", b"")]
    with (
        pytest.MonkeyPatch.context() as patch,
        _fresh_logging(),
    ):
        for name, value in {"COLUMNS": "300", **environ}.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            main(list(args))
    _, out, err = (_content(stream) for stream in streams)
    return Ran(int(ended.value.code or 0), out, err)


@contextmanager
def _fresh_logging() -> Iterator[None]:
    """Nobody listens inside, as in a new process; afterwards those listen who did."""
    loggers = [logging.getLogger(), logging.getLogger("urllib3.connectionpool")]
    before = [(logger.level, logger.handlers) for logger in loggers]
    for logger, level in zip(loggers, (logging.WARNING, logging.NOTSET), strict=True):
        logger.handlers = []
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, (level, handlers) in zip(loggers, before, strict=True):
            logger.handlers = handlers
            logger.setLevel(level)


def _content(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def settings_of(simulator: Simulator) -> dict[str, str]:
    """Environment variables with which a command reads from the simulator."""
    return {
        **{variable("base_url", name or None): url for name, url in simulator.base_urls.items()},
        variable("client_id"): simulator.client_id,
        variable("client_secret"): simulator.client_secret,
        variable("backoff_seconds"): "0.01",
    }
