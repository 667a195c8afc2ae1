"""Takes a snapshot: walks through all pages of a PBX, and writes what they hold into a file of devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, DeviceHash, fingerprint_part
from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.snapshot.device_file import DEVICE_FILE_SCHEMA, device_batches
from dlt_threecx.snapshot.known_pages import KnownPage, KnownPages, PageDecoder, PageEnd, PageMemo
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.source.client import Client
from dlt_threecx.source.columns import COLUMNS
from dlt_threecx.source.device import MAX_PROPERTIES, DeviceReader
from dlt_threecx.source.errors import LOOK, ProtocolError
from dlt_threecx.source.page import Item
from dlt_threecx.source.query import Query
from dlt_threecx.source.walk import walk

__all__ = ["take_snapshot"]

_ROWS_PER_BATCH = 10000
_KNOWN_PATHS = frozenset(path for column in COLUMNS for path in (column.path, *column.later))


class _OtherRows(Exception):
    """A known page came at another place, where more or fewer of its rows count. It has to be parsed after all."""


class _Rows:
    """Takes the rows of one walk: hashes them, and writes them to a file. Secrets are gone before.

    Pages that are `known` stand in another file already: only where they stand is noted.
    """

    def __init__(self, file: Path, pbx: PbxConfig, volatile: tuple[str, ...], pages: PageDecoder) -> None:
        self.file = file
        self.devices = 0
        self.memo = PageMemo(pages.key) if pages.key else None
        self.shape: dict[str, str] = {}
        self._sum = 0
        self._known = pages.known
        self._parts: list[tuple[bool, int, int]] = []
        """In order: whether rows are known, where they begin in their file, and how many they are."""
        self._reader = DeviceReader(pbx.settings.fingerprint_key)
        self._hash = DeviceHash(volatile)
        self._columns: list[list[Any]] = [[] for _ in DEVICE_FILE_SCHEMA]
        self._new = 0
        self._sink = pa.OSFile(str(file), "wb")
        self._writer = _writer(self._sink)

    @property
    def content(self) -> object:
        return self.devices, self.fingerprint

    @property
    def fingerprint(self) -> str:
        return f"{self._sum % FINGERPRINT_MODULUS:032x}"

    def add(self, items: list[Item]) -> None:
        if not items:
            return
        end = items[-1]
        if isinstance(end, PageEnd) and end.known and self._known:
            self._add_known(end, end.known, len(items), self._known)
        else:
            self._add_new(items)
        self.devices += len(items)

    def _add_known(self, end: PageEnd, page: KnownPage, rows: int, known: KnownPages) -> None:
        if rows != page.rows:
            # It is the first page now, or was the first one then: its shape is that of other rows.
            raise _OtherRows
        place, stop = page.place, page.place + rows
        self._sum += sum(map(fingerprint_part, known.device_ids[place:stop], known.row_versions[place:stop]))
        shape = known.shapes[page.shape]
        _merge(self.shape, shape)
        if self.memo:
            self.memo.add_known(end.digest, page, self.devices, shape)
        self._parts.append((True, place, rows))

    def _add_new(self, items: list[Item]) -> None:
        # The shape of each page is kept with it.
        shape = self._reader.shape = {}
        columns = self._reader.columns(items)
        _merge(self.shape, shape)
        if len(self.shape) > MAX_PROPERTIES:
            raise ProtocolError(
                "GET /xapi/v1/SipDevices",
                f"the PBX has named more than {MAX_PROPERTIES} different properties",
                "Nothing was loaded. Report this with the PBX's version",
            )
        row_versions, tracked_versions = self._hash.of(columns[1:])
        self._sum += sum(map(fingerprint_part, columns[0], row_versions))
        for column, values in zip(self._columns, (*columns, row_versions, tracked_versions), strict=True):
            column.extend(values)
        end = items[-1]
        if self.memo and isinstance(end, PageEnd):
            self.memo.add(end.digest, self.devices, len(items), end.rows - len(items), shape)
        self._parts.append((False, self._new, len(items)))
        self._new += len(items)
        while len(self._columns[0]) >= _ROWS_PER_BATCH:
            self._flush()

    def close(self) -> None:
        if self._columns[0]:
            self._flush()
        self._writer.close()
        self._sink.close()

    def whole_file(self) -> Path:
        """A file of all rows, after `close`: mostly the very one that was known."""
        known = self._known
        if known is None or not any(is_known for is_known, _, _ in self._parts):
            return self.file
        if self._new == 0 and [id_ for _, begin, rows in self._parts for id_ in range(begin, begin + rows)] == list(
            range(len(known.device_ids))
        ):
            return known.file
        old, new = (pa.Table.from_batches(device_batches(file), DEVICE_FILE_SCHEMA) for file in (known.file, self.file))
        parts = [(old if is_known else new).slice(begin, rows) for is_known, begin, rows in self._parts]
        whole = self.file.with_suffix(".whole.arrow")
        with pa.OSFile(str(whole), "wb") as sink, _writer(sink) as writer:
            writer.write_table(pa.concat_tables(parts).combine_chunks(), max_chunksize=_ROWS_PER_BATCH)
        return whole

    def _flush(self) -> None:
        """Writes one batch; all but the last have the same number of rows."""
        arrays = [
            pa.array(values[:_ROWS_PER_BATCH], field.type)
            for values, field in zip(self._columns, DEVICE_FILE_SCHEMA, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=DEVICE_FILE_SCHEMA))
        for values in self._columns:
            del values[:_ROWS_PER_BATCH]


def _writer(sink: pa.NativeFile) -> pa.ipc.RecordBatchFileWriter:
    return pa.ipc.new_file(sink, DEVICE_FILE_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4"))


def _merge(shape: dict[str, str], more: Mapping[str, str]) -> None:
    """Adds the types of some rows to the types that were met before."""
    for path, kind in more.items():
        known = shape.get(path)
        if known != kind:
            shape[path] = kind if known is None else "|".join(sorted({*known.split("|"), *kind.split("|")}))


def take_snapshot(
    pbx: PbxConfig,
    client: Client,
    folder: Path,
    volatile: tuple[str, ...],
    progress: Callable[[int, int], None] | None = None,
    pages: PageDecoder | None = None,
) -> Snapshot:
    """Reads one PBX completely. Raises an error of the reader when the reading could not be proven.

    `pages` is what the client decodes its answers with.
    """
    pages = pages or PageDecoder()
    settings = pbx.settings
    spools: list[_Rows] = []

    def start() -> _Rows:
        # With `twice` the walk before is still needed; whatever is older is not.
        for spool in spools[:-1]:
            spool.file.unlink(missing_ok=True)
        spools.append(_Rows(folder / f"{pbx.name}.{len(spools)}.arrow", pbx, volatile, pages))
        return spools[-1]

    query = Query(search=settings.search, filter=settings.filter, count=True, orderby="Id", expand="DN")
    try:
        try:
            walked = walk(client, query, start, progress)
        except _OtherRows:
            pages.known = None
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
        file=rows.whole_file(),
        devices=rows.devices,
        fingerprint=rows.fingerprint,
        shape=dict(sorted(rows.shape.items())),
        reported_count=walked.count,
        taken_at=walked.taken_at,
        pages=walked.pages,
        walks=walked.walks,
        page_size=walked.page_size,
        version=client.version,
        pages_read=rows.memo,
    )
