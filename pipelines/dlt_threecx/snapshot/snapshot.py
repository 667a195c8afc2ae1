"""A snapshot: one complete, proven reading of a PBX, kept in a file until it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, DeviceHash, fingerprint_part
from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.snapshot.device_file import DEVICE_FILE_SCHEMA, device_batches, device_rows_at
from dlt_threecx.source.client import Client
from dlt_threecx.source.columns import COLUMNS
from dlt_threecx.source.device import DeviceReader
from dlt_threecx.source.errors import LOOK, ProtocolError
from dlt_threecx.source.page import Item
from dlt_threecx.source.query import Query
from dlt_threecx.source.walk import walk

__all__ = ["Snapshot", "take_snapshot"]

_ROWS_PER_BATCH = 10000
_KNOWN_PATHS = frozenset(path for column in COLUMNS for path in (column.path, *column.later))


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


class _Spool:
    """Takes the rows of one walk: hashes them, and writes them to a file. Secrets are gone before."""

    def __init__(self, file: Path, pbx: PbxConfig, volatile: tuple[str, ...]) -> None:
        self.file = file
        self.devices = 0
        self._sum = 0
        self._reader = DeviceReader(pbx.settings.fingerprint_key)
        self._hash = DeviceHash(volatile)
        self._columns: list[list[Any]] = [[] for _ in DEVICE_FILE_SCHEMA]
        self._sink = pa.OSFile(str(file), "wb")
        self._writer = pa.ipc.new_file(
            self._sink, DEVICE_FILE_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")
        )

    @property
    def content(self) -> object:
        return self.devices, self.fingerprint

    @property
    def fingerprint(self) -> str:
        return f"{self._sum % FINGERPRINT_MODULUS:032x}"

    @property
    def shape(self) -> dict[str, str]:
        return self._reader.shape

    def add(self, items: list[Item]) -> None:
        if not items:
            return
        columns = self._reader.columns(items)
        row_versions, tracked_versions = self._hash.of(columns[1:])
        self._sum += sum(map(fingerprint_part, columns[0], row_versions))
        for column, values in zip(self._columns, (*columns, row_versions, tracked_versions), strict=True):
            column.extend(values)
        self.devices += len(items)
        while len(self._columns[0]) >= _ROWS_PER_BATCH:
            self._flush()

    def close(self) -> None:
        if self._columns[0]:
            self._flush()
        self._writer.close()
        self._sink.close()

    def _flush(self) -> None:
        """Writes one batch; all but the last have the same number of rows."""
        arrays = [
            pa.array(values[:_ROWS_PER_BATCH], field.type)
            for values, field in zip(self._columns, DEVICE_FILE_SCHEMA, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=DEVICE_FILE_SCHEMA))
        for values in self._columns:
            del values[:_ROWS_PER_BATCH]


def take_snapshot(
    pbx: PbxConfig,
    client: Client,
    folder: Path,
    volatile: tuple[str, ...],
    progress: Callable[[int, int], None] | None = None,
) -> Snapshot:
    """Reads one PBX completely. Raises an error of the reader when the reading could not be proven."""
    settings = pbx.settings
    spools: list[_Spool] = []

    def start() -> _Spool:
        # With `twice` the walk before is still needed; whatever is older is not.
        for spool in spools[:-1]:
            spool.file.unlink(missing_ok=True)
        spools.append(_Spool(folder / f"{pbx.name}.{len(spools)}.arrow", pbx, volatile))
        return spools[-1]

    query = Query(search=settings.search, filter=settings.filter, count=True, orderby="Id", expand="DN")
    try:
        walked = walk(client, query, start, progress)
    finally:
        for spool in spools:
            spool.close()
    rows = walked.rows
    # The names of properties go into the ledger.
    if client.holds_secret("\n".join(rows.shape.keys() - _KNOWN_PATHS)):
        raise ProtocolError(
            "GET /xapi/v1/SipDevices", "the name of a property holds the API key or the token (HTTP 200)", LOOK
        )
    return Snapshot(
        file=rows.file,
        devices=rows.devices,
        fingerprint=rows.fingerprint,
        shape=dict(sorted(rows.shape.items())),
        reported_count=walked.count,
        taken_at=walked.taken_at,
        pages=walked.pages,
        walks=walked.walks,
        page_size=walked.page_size,
        version=client.version,
    )
