"""What a killed run leaves in dlt's folder, and what of it still counts.

dlt finishes a package that was extracted or normalized completely. It fails on one that the destination has
already, when the run died before dlt could note that; and it never removes what was half made.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dlt_threecx.tables import TABLES

__all__ = ["Announcement", "drop_packages", "sweep", "tables_to_load"]

_HALF_WRITTEN = re.compile(r"[0-9a-f]{16}")
"""dlt writes a file under such a name before it takes the place of the old one."""


def sweep(folder: Path, is_loaded: Callable[[str], bool]) -> None:
    """Removes all that needs no finishing from a pipeline's folder; `is_loaded` knows the packages of the destination.

    Only for whoever holds the lock of the work folder.
    """
    extracted, normalized = folder / "normalize" / "extracted", folder / "load" / "normalized"
    half_made = [path for path in folder.glob("normalize/*/") if path != extracted]
    half_made += folder.glob("load/new/*/")
    done = [path for path in normalized.glob("*/") if is_loaded(path.name)]
    done += (path for path in extracted.glob("*/") if is_loaded(path.name) or (normalized / path.name).exists())
    # The extracted ones first: without its normalized twin one would count as pending again.
    for path in (*half_made, *reversed(done)):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.rglob("*"):
        if _HALF_WRITTEN.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def drop_packages(folder: Path) -> None:
    """Removes every package that waits in a pipeline's folder."""
    for path in (*folder.glob("normalize/extracted/*/"), *folder.glob("load/normalized/*/")):
        shutil.rmtree(path)


def tables_to_load(folder: Path) -> set[str]:
    """The tables of the next package to finish, of which dlt has loaded nothing, for all that it knows.

    Rows may be there nevertheless, when a run died before dlt could note that: they would come twice.
    """
    package = min(folder.glob("load/normalized/*/"), default=folder)
    markers = package.glob(".pending_transitions/*")
    known = {marker.name for marker in markers if json.loads(marker.read_bytes())["state"] == "completed"}
    jobs = {job.name: job.parent.name == "completed_jobs" or job.name in known for job in package.glob("*_jobs/*")}
    loaded = {_table(name) for name, is_loaded in jobs.items() if is_loaded}
    return {_table(name) for name in jobs} & set(TABLES) - loaded


class Announcement:
    """What the package under way adds, in a file beside it: written before dlt sees anything, gone once it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, heads: Mapping[str, str | None], snapshot_ids: Sequence[str]) -> None:
        """Notes the snapshots, and PBX → the chain value that its row of the ledger continues."""
        half_written = self._path.with_suffix(".new")
        half_written.write_text(json.dumps({"heads": heads, "snapshot_ids": snapshot_ids}), encoding="utf-8")
        half_written.replace(self._path)

    def read(self) -> tuple[dict[str, str | None], list[str]] | None:
        """Heads and snapshots, both empty when no package is under way; None when the file cannot be read."""
        try:
            announced = json.loads(self._path.read_text(encoding="utf-8"))
            return dict(announced["heads"]), list(announced["snapshot_ids"])
        except FileNotFoundError:
            return {}, []
        except (ValueError, KeyError, TypeError):
            return None

    def remove(self) -> None:
        """Nothing is under way."""
        for path in (self._path, self._path.with_suffix(".new")):
            path.unlink(missing_ok=True)


def _table(job: str) -> str:
    """The table of dlt's file `device_versions.1f0e4a2c9b.0.parquet`."""
    return job.partition(".")[0]
