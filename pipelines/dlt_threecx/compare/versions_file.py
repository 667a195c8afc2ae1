"""Differences → rows of `device_versions`, some thousand at a time, into one Parquet file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dlt_threecx.compare.differences import Difference, Rules, classified
from dlt_threecx.integrity.ledger import version_part
from dlt_threecx.snapshot.device_file import arrow_schema
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.tables import VERSIONS, Change

__all__ = ["OldRows", "Stamp", "VersionsFile", "Written"]

_SCHEMA = arrow_schema(VERSIONS)
_CHUNK = 5000
_UNIQUE = frozenset({
    "device_id", "row_version", "tracked_version", "mac", "ip_address", "dn_id", "dn_number", "dn_name",
    "registrar_id", "phone_web_password_fp", "prov_link_fp", "interface_link_fp", "extra",
})  # fmt: skip
"""Columns in which nearly every device has a value of its own: a dictionary of them makes a file larger and slower."""
_REPEATED = [name for name in _SCHEMA.names if name not in _UNIQUE]

OldRows = Callable[[Sequence[int]], Mapping[int, Mapping[str, Any]]]
"""device_ids → the columns of their last versions."""


@dataclass(frozen=True)
class Stamp:
    """What all versions of one snapshot share."""

    pbx: str
    snapshot_id: str
    observed_at: datetime


@dataclass(frozen=True)
class Written:
    """How many versions of each kind were written, and the seal over them."""

    counts: Counter[Change]
    seal: int


class VersionsFile:
    """A Parquet file of versions of any number of PBXs; `rows` counts them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()

    def _begin(self) -> None:
        self.rows = self._written = 0
        self._waiting: list[pa.RecordBatch] = []
        self._writer = _writer(self.path)
        # To compress rows takes as long as to hash them: both is done at the same time.
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def close(self) -> None:
        """Completes the file."""
        with self._thread:
            self._flush()
            self._finish_writing()
        self._writer.close()

    def add_first(self, stamp: Stamp, snapshot: Snapshot) -> Written:
        """Writes a version for every device of a first snapshot: each is new."""
        seal = 0
        for rows in snapshot.batches():
            seal += self._write(stamp, rows, [("added", [])] * rows.num_rows)
        return Written(Counter({"added": snapshot.devices}), seal)

    def add(
        self, stamp: Stamp, snapshot: Snapshot, changes: Iterable[Difference], old_rows: OldRows, rules: Rules
    ) -> Written:
        """Writes a version for every difference."""
        counts: Counter[Change] = Counter()
        seal = 0
        for chunk in _chunks(iter(changes)):
            old = old_rows([d.device_id for d in chunk if d.kind in ("differs", "gone")])
            gone = [old[d.device_id] for d in chunk if d.kind == "gone"]
            there = [d for d in chunk if d.position is not None]
            if there:
                rows = snapshot.rows_at([d.position for d in there if d.position is not None])
                verdicts = _verdicts(there, rows, old, rules)
                counts.update(change for change, _ in verdicts)
                seal += self._write(stamp, rows, verdicts)
            if gone:
                counts["removed"] += len(gone)
                seal += self._write(stamp, _record_batch(gone), [("removed", [])] * len(gone))
        return Written(counts, seal)

    def remove(self, pbx: str) -> None:
        """Removes the versions of a PBX that could not be compared to the end."""
        self.close()
        written = self.path.with_suffix(".before")
        self.path.replace(written)
        self._begin()
        before = pq.ParquetFile(written)
        for rows in map(before.read_row_group, range(before.num_row_groups)):
            first = 0
            for name, same in groupby(rows.column("pbx").to_pylist()):
                size = len(list(same))
                if name != pbx:
                    self._keep(rows.slice(first, size).to_batches())
                first += size
        written.unlink()

    def _keep(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Takes rows of one PBX. Those of small PBXs are written together: a group of rows has its price in memory."""
        self._waiting += batches
        self.rows += sum(batch.num_rows for batch in batches)
        if self.rows - self._written >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._finish_writing()
            table = pa.Table.from_batches(self._waiting, _SCHEMA)
            self._writing = self._thread.submit(self._writer.write_table, table)
        self._waiting, self._written = [], self.rows

    def _finish_writing(self) -> None:
        """Waits for the rows that are being written; raises what went wrong."""
        if self._writing:
            self._writing.result()
        self._writing = None

    def _write(self, stamp: Stamp, rows: pa.RecordBatch, verdicts: Sequence[tuple[Change, list[str]]]) -> int:
        """Writes versions; returns their part of the seal."""
        changes = [change for change, _ in verdicts]
        changed_fields = [_json(tuple(fields)) for _, fields in verdicts]
        given: dict[str, Any] = {
            **{name: _repeated(name, value, len(verdicts)) for name, value in vars(stamp).items()},
            "change": changes,
            "changed_fields": changed_fields,
        }
        arrays = [given[name] if name in given else rows.column(name) for name in _SCHEMA.names]
        self._keep([pa.record_batch(arrays, schema=_SCHEMA)])
        sealed = ("device_id", "row_version", "tracked_version")
        ids, row_versions, tracked = (rows.column(name).to_pylist() for name in sealed)
        return sum(map(version_part, ids, changes, row_versions, tracked, changed_fields))


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, _SCHEMA, compression="zstd", compression_level=1, use_dictionary=_REPEATED)


def _repeated(name: str, value: Any, times: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, _SCHEMA.field(name).type), times)


@lru_cache(maxsize=1000)
def _json(fields: tuple[str, ...]) -> str:
    """The same few lists recur."""
    return json.dumps(fields, ensure_ascii=False)


def _record_batch(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    fields = [field for field in _SCHEMA if field.name in rows[0]]
    return pa.record_batch(
        [pa.array([row[field.name] for row in rows], field.type) for field in fields],
        schema=pa.schema(fields),
    )


def _verdicts(
    there: Sequence[Difference], rows: pa.RecordBatch, old: Mapping[int, Mapping[str, Any]], rules: Rules
) -> list[tuple[Change, list[str]]]:
    verdicts: list[tuple[Change, list[str]]] = []
    differing = [index for index, difference in enumerate(there) if difference.kind == "differs"]
    new = iter(rows.take(pa.array(differing, pa.int64())).to_pylist())
    for difference in there:
        if difference.kind == "differs":
            verdicts.append(classified(old[difference.device_id], next(new), rules))
        else:
            verdicts.append(("added" if difference.kind == "added" else "returned", []))
    return verdicts


def _chunks(items: Iterator[Difference]) -> Iterator[list[Difference]]:
    while chunk := list(islice(items, _CHUNK)):
        yield chunk
