"""A publication that notes how it ended, by hand or after a sync."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import first_line
from dlt_threecx.publish.outcome import write_outcome
from dlt_threecx.publish.publication import WAIT_SECONDS, Publication, publish

__all__ = ["publish_after_sync", "publish_and_note"]


def publish_and_note(
    location: HistoryLocation,
    folder: Path,
    work: Path,
    *,
    mode: int | None = None,
    parquet: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> Publication:
    """Publishes as `publish` does, and notes in the folder `work` how that ended."""
    try:
        done = publish(location, folder, mode=mode, parquet=parquet, wait_seconds=wait_seconds)
    except Exception as error:
        write_outcome(work, folder, first_line(error))
        raise
    write_outcome(work, folder, None)
    return done


def publish_after_sync(location: HistoryLocation, folder: Path, work: Path, wait_seconds: float) -> None:
    """Publishes what a sync has loaded. Whatever goes wrong is only noted: the sync is done."""
    with suppress(Exception):
        publish_and_note(location, folder, work, wait_seconds=wait_seconds)
