"""The rows of one walk: those that are known already, and those that are new and go into a file of devices."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain, groupby, islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS
from dlt_threecx.own_process import may_fork
from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.snapshot.copied_writer import CopiedWriter
from dlt_threecx.snapshot.device_file import DEVICE_FILE_SCHEMA, device_batches
from dlt_threecx.snapshot.device_writer import ROWS_PER_BATCH, DeviceWriter, Written, add_witnesses, file_writer
from dlt_threecx.snapshot.known_rows import DIGEST_BYTES, NO_DIGEST, PageEnd, RowDecoder, RowMemo
from dlt_threecx.source.device import MAX_PROPERTIES
from dlt_threecx.source.page import Item

__all__ = ["UncertainError", "WalkedRows", "rows_at"]

_MANY = 10_000
"""Rows that take longer than it takes to make a copy of this process."""


class _Part(NamedTuple):
    """Rows that stand one after the other: in the known file, or in the one of this walk."""

    is_known: bool
    begin: int
    rows: int


class UncertainError(Exception):
    """What is known of the rows does not say all: they have to be parsed again."""


class WalkedRows:
    """Takes the rows of one walk, and hands those that are new to a writer.

    Rows that are `known` stand in another file already: only where they stand is noted.
    """

    def __init__(
        self, file: Path, pbx: PbxConfig, volatile: tuple[str, ...], decoder: RowDecoder, *, forks: bool
    ) -> None:
        self.file = file
        self.devices = 0
        self.memo = RowMemo(decoder.key) if decoder.key else None
        self._are_pages_known = True
        self._known = decoder.known
        self._parts: list[_Part] = []
        self._new = 0
        self._writer: DeviceWriter | CopiedWriter = DeviceWriter(file, pbx, volatile)
        self._forks = forks and decoder.known is None and (os.cpu_count() or 1) > 1

    @property
    def content(self) -> object:
        return self.devices, self.fingerprint

    @cached_property
    def fingerprint(self) -> str:
        """When all rows are there."""
        return f"{(self._known_sum() + self._written.sum) % FINGERPRINT_MODULUS:032x}"

    def _known_sum(self) -> int:
        there = [part for part in self._parts if part.is_known]
        if not self._known or not there:
            return 0
        is_gone = bytearray(b"\1") * len(self._known.device_ids)
        for part in there:
            is_gone[part.begin : part.begin + part.rows] = bytes(part.rows)
        return self._known.sum_without([place for place, gone in enumerate(is_gone) if gone])

    @cached_property
    def _written(self) -> Written:
        """What the new rows come to, when all are there."""
        return self._writer.finish()

    def add(self, items: list[Item]) -> None:
        if not items:
            return
        end = items[-1]
        places: Sequence[int | None] = [None] * len(items)
        if isinstance(end, PageEnd):
            # Of a page after the first, its first row came before.
            places = end.places[-len(items) :]
        if isinstance(places, range):
            if not self.devices and places.start:
                # It was a later page then: if its first row changed just before, the file has it as it was before.
                raise UncertainError
            self._add_part(True, places.start, len(places))
        else:
            self._add_some(items, places)
        if self.memo:
            self._note(self.memo, end, places)
        self.devices += len(items)

    def expect(self, more: int) -> None:
        """After the first page: how many rows will come. Many are written in a copy of this process, if it `forks`.

        To write rows takes a little longer than to ask for them and to parse them. Later pages may be asked for in
        threads, and then it is too late for a copy.
        """
        if self._forks and more > _MANY and may_fork() and isinstance(self._writer, DeviceWriter):
            # It only saves time: where there may be no further process this one writes.
            with suppress(OSError):
                self._writer = CopiedWriter(self._writer)
        self._forks = False

    def _add_some(self, items: list[Item], places: Sequence[int | None]) -> None:
        rows = [self.devices + number for number, place in enumerate(places) if place is None]
        if rows:
            self._add_new([item for item, place in zip(items, places, strict=True) if place is None], rows)
        place_of_new = self._new - len(rows)
        for begin, number in _runs(places):
            if begin is not None:
                self._add_part(True, begin, number)
            else:
                self._add_part(False, place_of_new, number)
                place_of_new += number

    def _add_new(self, items: list[Item], rows: list[int]) -> None:
        """Takes rows that are not known; `rows` is where they will stand."""
        self._writer.add(items, rows)
        self._new += len(items)

    def _add_part(self, is_known: bool, begin: int, rows: int) -> None:
        last = self._parts[-1] if self._parts else None
        if last and last.is_known == is_known and last.begin + last.rows == begin:
            self._parts[-1] = last._replace(rows=last.rows + rows)
        else:
            self._parts.append(_Part(is_known, begin, rows))

    def _note(self, memo: RowMemo, end: Item, places: Sequence[int | None]) -> None:
        """Notes the digests of rows, for the next reading."""
        if not isinstance(end, PageEnd):
            self._are_pages_known = False
            memo.digests += NO_DIGEST * len(places)
            return
        memo.pages[end.page_digest] = self.devices + len(places) - len(end.places), len(end.places)
        if isinstance(places, range) and self._known:
            memo.digests += self._known.digests[places.start * DIGEST_BYTES : places.stop * DIGEST_BYTES]
            return
        self._are_pages_known = False
        memo.digests += b"".join(end.digests[-len(places) :]) if end.digests else NO_DIGEST * len(places)

    def shape(self) -> dict[str, str]:
        """Property path → JSON type, as DeviceReader has it.

        Raises UncertainError when known rows may have more, or when there are too many.
        """
        met = {pair: list(rows) for pair, rows in self._written.witnesses.items()}
        known = self._known
        if known and any(part.is_known for part in self._parts):
            for pair, places in known.witnesses.items():
                still = [row for row in map(self._row_of_known, places) if row is not None]
                if not still and pair not in met:
                    # Others that are known may have it or not.
                    raise UncertainError
                add_witnesses(met.setdefault(pair, []), still)
        if self.memo:
            self.memo.witnesses, self.memo.fingerprint = met, self.fingerprint
        shape: dict[str, str] = {}
        for path, kind in sorted(met):
            # Thousands of PBXs have the same.
            shape[sys.intern(path)] = f"{shape[path]}|{kind}" if path in shape else kind
        if len(shape) > MAX_PROPERTIES:
            raise UncertainError
        return shape

    def _row_of_known(self, place: int) -> int | None:
        """Where a known row stands now; None when it is gone."""
        row = 0
        for part in self._parts:
            if part.is_known and part.begin <= place < part.begin + part.rows:
                return row + place - part.begin
            row += part.rows
        return None

    def close(self) -> None:
        self._writer.close()

    @property
    def news(self) -> RowMemo | None:
        """What is to be kept for the next reading; nothing when all came as it is known already."""
        return None if self._are_pages_known and self._is_known_file else self.memo

    @property
    def _is_known_file(self) -> bool:
        return self._known is not None and self._parts == [_Part(True, 0, len(self._known.device_ids))]

    def whole_file(self) -> Path:
        """A file of all rows: mostly the very one that was known."""
        known = self._known
        if known is None or not any(part.is_known for part in self._parts):
            return self.file
        if self._is_known_file:
            return known.file
        old, new = (pa.Table.from_batches(device_batches(file), DEVICE_FILE_SCHEMA) for file in (known.file, self.file))
        begins = [part.begin + (0 if part.is_known else old.num_rows) for part in self._parts]
        places = chain.from_iterable(range(b, b + part.rows) for b, part in zip(begins, self._parts, strict=True))
        whole = self.file.with_suffix(".whole.arrow")
        with pa.OSFile(str(whole), "wb") as sink, file_writer(sink) as writer:
            while some := list(islice(places, ROWS_PER_BATCH)):
                writer.write_batch(rows_at(old, new, some))
        return whole


def rows_at(old: pa.Table, new: pa.Table, places: list[int]) -> pa.RecordBatch:
    """Rows of two tables: the places of the second come after those of the first, and both ascend.

    It is much faster to take them from what lies between the first and the last of them.
    """
    of_old = [place for place in places if place < old.num_rows]
    of_new = [place - old.num_rows for place in places if place >= old.num_rows]
    near = [_between(old, of_old), _between(new, of_new)]
    shifts = of_old[0] if of_old else 0, old.num_rows - near[0].num_rows + (of_new[0] if of_new else 0)
    (rows,) = pa.concat_tables(near).combine_chunks().to_batches()
    return rows.take(pa.array([place - shifts[place >= old.num_rows] for place in places], pa.int64()))


def _between(table: pa.Table, places: list[int]) -> pa.Table:
    return table.slice(places[0], places[-1] + 1 - places[0]) if places else table.slice(0, 0)


def _runs(places: Sequence[int | None]) -> Iterator[tuple[int | None, int]]:
    """Places that stand one after the other, as the first of them and their number; (None, number) for new rows."""
    for shift, run in groupby(enumerate(places), lambda row: None if row[1] is None else row[1] - row[0]):
        first, *more = run
        yield None if shift is None else first[1], 1 + len(more)
