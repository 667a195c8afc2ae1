"""A snapshot: one complete, proven reading of a PBX, kept in a file until it is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from dlt_threecx.snapshot.device_file import device_batches, device_rows_at
from dlt_threecx.snapshot.known_rows import RowMemo

__all__ = ["Seen", "Snapshot"]


class Seen(NamedTuple):
    """A device in the new snapshot; `position` is where its row stands there."""

    device_id: int
    row_version: str
    position: int


@dataclass(frozen=True)
class Snapshot:
    """A proven reading; its rows are in `file` (Arrow IPC), ascending by device_id."""

    file: Path
    devices: int
    fingerprint: str
    shape: dict[str, str]
    reported_count: int | None
    taken_at: datetime
    pages: int
    walks: int
    page_size: int
    version: str | None
    rows_read: RowMemo | None = None
    """What is to be kept beside the file for the next reading; None when all of it is kept already, or cannot be."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, some thousand at a time."""
        return device_batches(self.file)

    def seen(self) -> Iterator[Seen]:
        """The devices of the snapshot, in order."""
        start = 0
        for batch in device_batches(self.file, "device_id", "row_version"):
            ids, versions = batch.column(0).to_pylist(), batch.column(1).to_pylist()
            yield from map(Seen, ids, versions, range(start, start + len(ids)))
            start += len(ids)

    def rows_at(self, positions: Sequence[int]) -> pa.RecordBatch:
        """The rows at some positions, which ascend; at least one."""
        return device_rows_at(self.file, positions)
