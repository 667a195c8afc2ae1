"""Two states as columns → what differs: as `differences`, many times as fast, for what fits into memory."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from dlt_threecx.compare.differences import Difference

__all__ = ["column_differences"]


def column_differences(before: pa.Table, now: pa.Table) -> tuple[list[Difference], dict[int, int]]:
    """The differences, ascending by device_id, and where the devices among them stood before.

    Both tables have `device_id`, without doubles, and `row_version`. A device that is not in `before` is `added`.
    """
    import pyarrow.compute as pc  # a tenth of a second, which a run without a change need not wait

    old_ids, ids = before["device_id"].combine_chunks(), now["device_id"].combine_chunks()
    places = pc.index_in(ids, value_set=old_ids)
    is_same = pc.equal(now["row_version"].combine_chunks(), before["row_version"].combine_chunks().take(places))
    added = pc.indices_nonzero(pc.is_null(places))
    differing = pc.indices_nonzero(pc.invert(pc.fill_null(is_same, True)))
    gone = pc.indices_nonzero(pc.is_null(pc.index_in(old_ids, value_set=ids)))
    found = [Difference(id_, "added", place) for id_, place in _pairs(ids, added)]
    found += [Difference(id_, "differs", place) for id_, place in _pairs(ids, differing)]
    found += [Difference(id_, "gone", None) for id_, _ in _pairs(old_ids, gone)]
    stood = dict(zip(ids.take(differing).to_pylist(), places.take(differing).to_pylist(), strict=True))
    stood.update(_pairs(old_ids, gone))
    return sorted(found), stood


def _pairs(ids: pa.Array, places: pa.Array) -> Iterator[tuple[int, int]]:
    """Devices and where they stand."""
    return zip(ids.take(places).to_pylist(), places.to_pylist(), strict=True)
