"""The published tables as Parquet files, one for each month where a table has a time; only what differs is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dlt_threecx.publish.bi_file import AS_VIEWS, BiFile
from dlt_threecx.tables import TABLES
from dlt_threecx.views.views import VIEWS

__all__ = ["changed_files", "digests", "write_file"]

_MONTH_OF = {
    "snapshots": "started_at",
    "device_versions": "observed_at",
    "complete_snapshots": "taken_at",
    "device_history": "valid_from",
    "device_changes": "changed_at",
    "daily_inventory": "day",
    "daily_changes": "day",
}
"""Table → the time or day that says which month a row belongs to; the others are one file each."""

_RELATIONS = (*TABLES, *(name for name in VIEWS if name not in AS_VIEWS))


def digests(bi: BiFile) -> dict[str, str]:
    """Each file, as `device_changes/2026-11.parquet` or `devices.parquet`, and what tells its content from another."""
    return {path: digest for name in _RELATIONS for path, digest in _digests(bi, name)}


def _digests(bi: BiFile, name: str) -> Iterator[tuple[str, str]]:
    content = "count(*) || '-' || coalesce(sum(cast(hash(t) as hugeint)), 0) || '-' || version()"
    if name not in _MONTH_OF:
        [(digest,)] = bi.rows(f"select {content} from threecx_bi.threecx.{name} t")  # noqa: S608
        yield f"{name}.parquet", digest
        return
    sql = f"select strftime({_day(name)}, '%Y-%m') as month, {content} from threecx_bi.threecx.{name} t group by month"  # noqa: S608
    for month, digest in bi.rows(f"{sql} order by month"):
        yield f"{name}/{month}.parquet", digest


def changed_files(folder: Path, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The files that have to be written: their content is another, or somebody has removed them."""
    return [path for path, digest in new.items() if old.get(path) != digest or not (folder / path).is_file()]


def write_file(bi: BiFile, path: str, target: Path) -> None:
    """Writes one of the files."""
    name, _, month = path.removesuffix(".parquet").partition("/")
    rows = f"select * from threecx_bi.threecx.{name} t"  # noqa: S608
    if month:
        rows += f" where {_day(name)} >= date '{month}-01' and {_day(name)} < date '{month}-01' + interval 1 month"
    quoted = str(target).replace("'", "''")
    bi.run(f"copy ({rows}) to '{quoted}' (format parquet, compression zstd)")


def _day(name: str) -> str:
    column = _MONTH_OF[name]
    return f"t.{column}" if column == "day" else f"t.{column} at time zone 'UTC'"
