"""Where a history is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlt_threecx.tables import DATASET

__all__ = ["DUCKDB", "LAKE", "HistoryLocation"]

DUCKDB = "duckdb"
"""The destination that needs nothing but a file."""

LAKE = "filesystem"
"""The destination that is files in a folder or a bucket."""


@dataclass(frozen=True)
class HistoryLocation:
    """A dataset of a destination; `db` is the file of DuckDB, and means nothing to any other."""

    db: Path
    dataset: str = DATASET
    destination: str = DUCKDB
    project: Path = Path()
    """The folder of `.dlt`, where dlt finds the credentials of a destination."""

    @property
    def is_lake(self) -> bool:
        """Whether it is files."""
        return self.destination == LAKE

    def __str__(self) -> str:
        return str(self.db) if self.destination == DUCKDB else f"destination '{self.destination}'"
