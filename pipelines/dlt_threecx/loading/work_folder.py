"""The work folder of one destination: the lock, the spool of a run, and dlt's own files. Nobody else may read it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import fasteners

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import DestinationError

__all__ = ["WorkFolder", "private_files"]


class WorkFolder:
    """The folder that a place has for its runs."""

    def __init__(self, location: HistoryLocation) -> None:
        self.path = location.work_folder
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
