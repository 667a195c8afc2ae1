"""`publish`: the history as a copy in a folder, which any number of readers may hold open."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.publish.bi_file import BI_CATALOG, Published, made_by, open_bi_file
from dlt_threecx.publish.news import Heads, continues, heads, log_rows
from dlt_threecx.publish.parquet_months import changed_files, digests, write_file
from dlt_threecx.publish.staging import put, staging
from dlt_threecx.tables import TABLES

__all__ = ["BI_FILE", "Publication", "publish"]

BI_FILE = f"{BI_CATALOG}.duckdb"
MANIFEST = f"{BI_CATALOG}.json"
"""Beside the copy: what it is of, and what each Parquet file holds. Readers do not need it."""

PRIVATE = 0o600
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Publication:
    """What a publication did."""

    file: Path
    published_at: datetime
    """When the copy that is there now was made."""
    has_news: bool
    """False when there was nothing to do."""
    is_whole: bool = False
    """Whether it was made from the start, and not only brought up to date."""
    parquet_files: int = 0
    """Parquet files written."""


@dataclass(frozen=True)
class _Manifest:
    """What the last publication into a folder left there."""

    published: Published
    mode: int
    parquet: dict[str, str] | None
    """File → digest; None when no Parquet is wanted."""

    @classmethod
    def read(cls, folder: Path) -> _Manifest | None:
        try:
            found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            at = datetime.fromisoformat(found["published_at"])
            known = {pbx: (snapshot_id, chain) for pbx, (snapshot_id, chain) in found["heads"].items()}
            return cls(Published(at, found["made_by"], known), found["mode"], found["parquet"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def text(self) -> str:
        return json.dumps({
            **self.published._asdict(),
            "published_at": self.published.published_at.isoformat(),
            "mode": self.mode,
            "parquet": self.parquet,
        })  # fmt: skip


def publish(
    location: HistoryLocation,
    folder: Path,
    *,
    mode: int | None = None,
    parquet: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> Publication:
    """Brings the copy in `folder` up to date, and replaces it as a whole.

    `mode` is that of the files: by default the one they have, at first 0600. Parquet goes on once it was asked for.
    Raises SettingsError without a history, DestinationError when a file cannot be read or written: then the copy is
    as it was.
    """
    try:
        with staging(folder, wait_seconds) as private, open_history(location, wait_seconds=wait_seconds) as history:
            return _published(history, folder, private, mode, parquet)
    except OSError as error:
        raise DestinationError(
            f"publish into {folder}",
            f"{error.filename or folder}: {error.strerror or error}",
            "The copy is as it was. Check the folder and the disk, then run: threecx publish " + str(folder),
        ) from error
    except duckdb.Error as error:
        raise DestinationError(
            f"publish into {folder}", first_line(error), "The copy is as it was. Check the disk, and run again"
        ) from error


def _published(history: History, folder: Path, private: Path, mode: int | None, parquet: bool) -> Publication:
    manifest = _Manifest.read(folder)
    now, made, at = heads(history), made_by(), datetime.now(UTC)
    mode = mode if mode is not None else manifest.mode if manifest else PRIVATE
    files = manifest.parquet if manifest else None
    wants_parquet = parquet or files is not None
    if manifest and _is_up_to_date(manifest, folder, Published(at, made, now), wants_parquet):
        if mode != manifest.mode:
            for path in (BI_FILE, *(f"parquet/{name}" for name in files or {})):
                (folder / path).chmod(mode)
            _write_manifest(folder, private, replace(manifest, mode=mode))
        return Publication(folder / BI_FILE, manifest.published.published_at, has_news=False)

    staged = private / BI_FILE
    before = _usable_copy(history, folder, staged, made, is_ours=manifest is not None)
    with open_bi_file(staged) as bi:
        if before is None:
            bi.create_log()
        bi.begin(before or {}, now)
        for table in TABLES:
            bi.append(table, log_rows(history, table, before or {}, now))
        history.close()
        bi.derive(is_new=before is None)
        published = Published(at, made, now)
        bi.finish(published)
        new = digests(bi) if wants_parquet else None
        changed = changed_files(folder / "parquet", files or {}, new) if new else []
        for number, path in enumerate(changed):
            write_file(bi, path, private / f"{number}.parquet")

    # Changes that a reader wrote into the old copy; they would be taken for changes of the new one.
    (folder / f"{BI_FILE}.wal").unlink(missing_ok=True)
    put(staged, folder / BI_FILE, mode)
    for number, path in enumerate(changed):
        put(private / f"{number}.parquet", folder / "parquet" / path, mode)
    for path in (files or {}).keys() - (new or {}).keys():
        (folder / "parquet" / path).unlink(missing_ok=True)
    _write_manifest(folder, private, _Manifest(published, mode, new))
    return Publication(folder / BI_FILE, at, has_news=True, is_whole=before is None, parquet_files=len(changed))


def _is_up_to_date(manifest: _Manifest, folder: Path, now: Published, wants_parquet: bool) -> bool:
    """Whether the copy is of the same attempts, the same release and the same day: some views count to today."""
    last = manifest.published
    is_same = (last.heads, last.made_by, last.published_at.date()) == (now.heads, now.made_by, now.published_at.date())
    if not is_same or not (folder / BI_FILE).is_file():
        return False
    if not wants_parquet:
        return True
    return bool(manifest.parquet) and not changed_files(
        folder / "parquet", manifest.parquet or {}, manifest.parquet or {}
    )


def _usable_copy(history: History, folder: Path, staged: Path, made: str, *, is_ours: bool) -> Heads | None:
    """Copies the published file to `staged` and returns its heads; None, and no file, when it has to be made again.

    Read as bytes: a reader that opened the file for writing would keep DuckDB out.
    Raises DestinationError when the file is not a published copy: it is not ours to replace.
    """
    old = folder / BI_FILE
    if not old.exists():
        return None
    shutil.copyfile(old, staged)
    try:
        with open_bi_file(staged) as bi:
            published = bi.published
            is_usable = published is not None and published.made_by == made and not bi.is_half_empty
    except duckdb.Error:
        published, is_usable = None, False
    if published is None and not is_ours:
        raise DestinationError(
            f"publish into {folder}", f"{old} is there and is no published copy", "Move it away, or name another folder"
        )
    if published is not None and is_usable and continues(history, published.heads):
        return published.heads
    staged.unlink()
    staged.with_name(f"{staged.name}.wal").unlink(missing_ok=True)
    return None


def _write_manifest(folder: Path, private: Path, manifest: _Manifest) -> None:
    file = private / MANIFEST
    file.write_text(manifest.text(), encoding="utf-8")
    put(file, folder / MANIFEST, manifest.mode)
