"""Where a history is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dlt_threecx.tables import DATASET

__all__ = ["DUCKDB", "LAKE", "POSTGRES", "HistoryLocation"]

DUCKDB = "duckdb"
"""The destination that needs nothing but a file."""

LAKE = "filesystem"
"""The destination that is files in a folder or a bucket."""

POSTGRES = "postgres"
"""The database server that has a class of its own."""


@dataclass(frozen=True)
class HistoryLocation:
    """A dataset of a destination; `db` is the file of DuckDB, and means nothing to any other."""

    db: Path
    dataset: str = DATASET
    destination: str = DUCKDB
    project: Path = Path()
    """The folder of `.dlt`, where dlt finds the credentials of a destination."""
    archives: tuple[Path, ...] = ()
    """Files with the past of this history, to be read together with it."""

    @property
    def is_lake(self) -> bool:
        """Whether it is files."""
        return self.destination == LAKE

    @property
    def work_folder(self) -> Path:
        """`PROJECT/.threecx/DESTINATION-HASH`; one per place to load to, so that packages never go astray."""
        where = f"{self.db.resolve()}/{self.dataset}" if self.destination == DUCKDB else self.dataset
        return self.project / ".threecx" / f"{self.destination}-{hashlib.sha256(where.encode()).hexdigest()[:10]}"

    def __str__(self) -> str:
        return str(self.db) if self.destination == DUCKDB else f"destination '{self.destination}'"
