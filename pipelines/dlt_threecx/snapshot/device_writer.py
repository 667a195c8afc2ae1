"""Parsed rows → a file of devices: their columns, hashed. Secrets are gone before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from dlt_threecx.integrity.row_hash import DeviceHash, fingerprint_part
from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.snapshot.device_file import DEVICE_FILE_SCHEMA
from dlt_threecx.snapshot.known_rows import Witnesses
from dlt_threecx.source.device import DeviceReader
from dlt_threecx.source.page import Item

__all__ = ["ROWS_PER_BATCH", "DeviceWriter", "Written", "add_witnesses", "file_writer"]

ROWS_PER_BATCH = 10_000
_WITNESSES = 8
"""Of how many rows it is noted that they have a property. When all of these are gone, all rows are parsed again."""


class Written(NamedTuple):
    """What all rows of a file come to."""

    sum: int
    """What they add to the fingerprint of the snapshot."""
    witnesses: Witnesses


class DeviceWriter:
    """Writes rows, a page at a time."""

    def __init__(self, file: Path, pbx: PbxConfig, volatile: tuple[str, ...]) -> None:
        self._reader = DeviceReader(pbx.settings.fingerprint_key)
        self._hash = DeviceHash(volatile)
        self._sum = 0
        self._witnesses: Witnesses = {}
        self._columns: list[list[Any]] = [[] for _ in DEVICE_FILE_SCHEMA]
        self._sink = pa.OSFile(str(file), "wb")
        self._writer = file_writer(self._sink)

    def add(self, items: list[Item], rows: Sequence[int]) -> None:
        """Takes parsed rows; `rows` is where they stand in the list. Raises ProtocolError when one cannot be read."""
        columns = self._reader.columns(items)
        for pair, number in self._reader.witnesses.items():
            add_witnesses(self._witnesses.setdefault(pair, []), [rows[number]])
        row_versions, tracked_versions = self._hash.of(columns[1:])
        self._sum += sum(map(fingerprint_part, columns[0], row_versions))
        for column, values in zip(self._columns, (*columns, row_versions, tracked_versions), strict=True):
            column.extend(values)
        while len(self._columns[0]) >= ROWS_PER_BATCH:
            self._flush()

    def finish(self) -> Written:
        """Completes the file."""
        if self._columns[0]:
            self._flush()
        self._writer.close()
        self._sink.close()
        return Written(self._sum, self._witnesses)

    def close(self) -> None:
        """Leaves the file as it is, complete or not."""
        self._sink.close()

    def _flush(self) -> None:
        """Writes one batch; all but the last have the same number of rows."""
        arrays = [
            pa.array(values[:ROWS_PER_BATCH], field.type)
            for values, field in zip(self._columns, DEVICE_FILE_SCHEMA, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=DEVICE_FILE_SCHEMA))
        for values in self._columns:
            del values[:ROWS_PER_BATCH]


def file_writer(sink: pa.NativeFile) -> pa.ipc.RecordBatchFileWriter:
    """Writes batches of devices into an open file."""
    return pa.ipc.new_file(sink, DEVICE_FILE_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4"))


def add_witnesses(rows: list[int], more: list[int]) -> None:
    """Adds rows that have a property, up to some."""
    rows += more[: max(0, _WITNESSES - len(rows))]
