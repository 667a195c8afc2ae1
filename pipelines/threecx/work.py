"""The work folder of one destination: the lock, the spool of a run, and dlt's own files. Nobody else may read it."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fasteners

from pipelines.threecx.errors import DestinationError
from pipelines.threecx.place import DUCKDB, Place
from pipelines.threecx.project import read_settings

__all__ = ["WorkFolder", "private_files", "quieten_dlt"]


class WorkFolder:
    """`PROJECT/.threecx/DESTINATION-HASH`; one per place to load to, so that packages never go astray."""

    def __init__(self, place: Place) -> None:
        where = f"{place.db.resolve()}/{place.dataset}" if place.destination == DUCKDB else place.dataset
        name = f"{place.destination}-{hashlib.sha256(where.encode()).hexdigest()[:10]}"
        self.path = place.project / ".threecx" / name
        self.spool = self.path / "spool"
        self.pipelines = self.path / "dlt"

    @contextmanager
    def held(self, wait_seconds: float) -> Iterator[None]:
        """The folder, made and empty of leftovers, for one run at a time. Raises DestinationError."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = fasteners.InterProcessLock(self.path / "lock")
        if not lock.acquire(timeout=wait_seconds):
            raise DestinationError(
                "start of the sync",
                f"another sync loads into the same place, and did so for {wait_seconds:g} s",
                "Nothing was read. Run again when it has ended, or raise busy_timeout_seconds",
            )
        try:
            shutil.rmtree(self.spool, ignore_errors=True)
            self.spool.mkdir()
            yield
        finally:
            shutil.rmtree(self.spool, ignore_errors=True)
            lock.release()


@contextmanager
def private_files() -> Iterator[None]:
    """Whatever is created inside is for its owner only: files 0600, folders 0700."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def quieten_dlt(project: Path) -> None:
    """Settings that dlt reads when it is imported; what the user has set in the environment stays.

    Telemetry is off unless the project's own config.toml turns it on.
    """
    os.environ.setdefault("DLT_PROJECT_DIR", str(project))
    # What dlt logs of a failed load is its traceback; our own error says what went wrong.
    level = "ERROR" if logging.getLogger().isEnabledFor(logging.DEBUG) else "CRITICAL"
    os.environ.setdefault("RUNTIME__LOG_LEVEL", level)
    os.environ.setdefault("LOAD__DELETE_COMPLETED_JOBS", "true")
    if "dlthub_telemetry" not in read_settings(project, "config.toml").get("runtime", {}):
        os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
