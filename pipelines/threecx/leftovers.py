"""What a killed run leaves in dlt's folder, and what of it still counts.

dlt finishes a package that was extracted or normalized completely. It stumbles over one that the destination has
already, when the run died before dlt could note that; and it never removes what was half made.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

__all__ = ["sweep", "tables_to_load"]

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


def tables_to_load(folder: Path) -> set[str]:
    """The tables of the next package to finish whose rows are not, for all that dlt knows, in its staging dataset.

    Some may be: dlt would load them once more, and its merge takes doubled rows as they are.
    """
    package = min(folder.glob("load/normalized/*/"), default=folder)
    markers = package.glob(".pending_transitions/*")
    known = {marker.name for marker in markers if json.loads(marker.read_bytes())["state"] == "completed"}
    jobs = (job for state in ("new_jobs", "started_jobs") for job in package.glob(f"{state}/*"))
    return {job.name.partition(".")[0] for job in jobs if job.suffix != ".sql" and job.name not in known}
