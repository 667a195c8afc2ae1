"""A file of devices (Arrow IPC), ascending by device_id: what a reading leaves, and what is kept from run to run."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa

from dlt_threecx.integrity.row_hash import ROW_FORMAT
from dlt_threecx.tables import DEVICE_COLUMNS, TableColumn

__all__ = [
    "DEVICE_FILE_SCHEMA",
    "arrow_schema",
    "device_batches",
    "device_columns",
    "device_rows_at",
    "file_digest",
    "file_format",
]

_ARROW_TYPES = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def arrow_schema(columns: tuple[TableColumn, ...]) -> pa.Schema:
    """The columns of a table as Arrow has them."""
    return pa.schema([pa.field(c.name, _ARROW_TYPES[c.type], nullable=not c.key) for c in columns])


DEVICE_FILE_SCHEMA = arrow_schema((
    TableColumn("device_id", "bigint", "", key=True),
    *DEVICE_COLUMNS,
    TableColumn("row_version", "text", ""),
    TableColumn("tracked_version", "text", ""),
))  # fmt: skip
"""The columns of such a file."""


def file_format() -> str:
    """What such a file depends on beside the devices: the release, the format of the hashes, and the columns."""
    try:
        release = version("dlt-threecx")
    except PackageNotFoundError:
        release = "unknown"
    columns = hashlib.sha256(str(DEVICE_FILE_SCHEMA).encode()).hexdigest()[:16]
    return f"{release} {ROW_FORMAT} {columns}"


def file_digest(file: Path) -> str:
    """Of all bytes of a file: 32 hex digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").hexdigest()[:32]


def device_batches(file: Path, *names: str) -> Iterator[pa.RecordBatch]:
    """All rows, or some columns of them, some thousand at a time. Raises pa.ArrowException when it is no such file."""
    fields = [DEVICE_FILE_SCHEMA.get_field_index(name) for name in names]
    with pa.memory_map(str(file)) as source:
        with pa.ipc.open_file(source) as reader:
            if reader.schema != DEVICE_FILE_SCHEMA:
                raise pa.ArrowInvalid(f"{file} has other columns")
        with pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=fields)) as reader:
            yield from map(reader.get_batch, range(reader.num_record_batches))


def device_columns(file: Path, *names: str) -> pa.Table:
    """Some columns of all devices. Raises pa.ArrowException when it is no such file."""
    schema = pa.schema([DEVICE_FILE_SCHEMA.field(name) for name in names])
    return pa.Table.from_batches(device_batches(file, *names), schema)


def device_rows_at(file: Path, positions: Sequence[int]) -> pa.RecordBatch:
    """The rows at some positions, which ascend; at least one."""
    taken: list[pa.RecordBatch] = []
    start = first = 0
    for batch in device_batches(file):
        end = bisect_left(positions, start + batch.num_rows)
        if end > first:
            taken.append(batch.take(pa.array([p - start for p in positions[first:end]], pa.int64())))
            first = end
        start += batch.num_rows
        if first == len(positions):
            break
    return pa.concat_batches(taken)
