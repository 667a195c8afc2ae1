"""The work folder of one destination: the lock, the spool of a run, and dlt's own files. Nobody else may read it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import fasteners

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import DestinationError
from dlt_threecx.integrity.ledger import Head
from dlt_threecx.loading.history_check import Checked, Slice
from dlt_threecx.loading.unfinished import Announcement

__all__ = ["WorkFolder", "private_files"]


class WorkFolder:
    """The folder that a place has for its runs."""

    def __init__(self, location: HistoryLocation) -> None:
        self.path = location.work_folder
        self.spool = self.path / "spool"
        self.pipelines = self.path / "dlt"
        self.announcement = Announcement(self.path / "announced.json")
        self.state = self.path / "state"
        self._last_head = self.path / "last_head.json"
        self._views = self.path / "views.txt"
        self._checked = self.path / "checked.json"

    @property
    def last_head(self) -> Head | None:
        """A row of the ledger that the last run from here has loaded; None when no run has, or nobody can tell."""
        try:
            return Head(**json.loads(self._last_head.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def remember(self, head: Head) -> None:
        """Notes a row of the ledger that was loaded."""
        _write(self._last_head, asdict(head))

    @property
    def checked(self) -> Checked | None:
        """The part of the history that earlier runs have checked; None when nobody can tell."""
        try:
            noted = json.loads(self._checked.read_text(encoding="utf-8"))
            slices = [Slice(datetime.fromisoformat(until), *rows) for until, *rows in noted["slices"]]
            return Checked(**noted | {"slices": slices, "turn": noted["turn"] % len(slices)})
        except (FileNotFoundError, ValueError, TypeError, KeyError, ZeroDivisionError):
            return None

    def note_checked(self, checked: Checked) -> None:
        """Notes how much of the history was checked."""
        slices = [(until.isoformat(), *rows) for until, *rows in checked.slices]
        _write(self._checked, asdict(checked) | {"slices": slices})

    @property
    def views(self) -> str | None:
        """The hash of the views as they were when the last run from here had compared them."""
        try:
            return self._views.read_text(encoding="utf-8")
        except (FileNotFoundError, ValueError):
            return None

    def remember_views(self, digest: str) -> None:
        """Notes that hash. A file that is half written has another one."""
        self._views.write_text(digest, encoding="utf-8")

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


def _write(path: Path, noted: dict[str, Any]) -> None:
    """Writes a file, or leaves the old one as it is."""
    half_written = path.with_suffix(".new")
    half_written.write_text(json.dumps(noted), encoding="utf-8")
    half_written.replace(path)


@contextmanager
def private_files() -> Iterator[None]:
    """Whatever is created inside is for its owner only: files 0600, folders 0700."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
