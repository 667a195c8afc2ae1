"""One run: connect → walk → snapshot → compare → load → views, for any number of PBXs.

The PBXs are read first, while dlt is being imported. Then the destination is opened, what an earlier run left is
finished, and each snapshot is compared with what the history holds. All that is new goes into one package.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb

from dlt_threecx.compare.decide import Accepted, SyncResult, decide
from dlt_threecx.compare.previous import Known, StoredPbx
from dlt_threecx.compare.versions_file import VersionsFile
from dlt_threecx.destinations.base import Destination
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import check_destination, open_destination
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.loading.previous_state import device_rows, known_devices, pbx_states
from dlt_threecx.loading.work_folder import WorkFolder, private_files
from dlt_threecx.notify.announce import announce_after_sync
from dlt_threecx.notify.ping import Ping
from dlt_threecx.settings.config import Config, RunConfig
from dlt_threecx.snapshot.reading import NO_OFFSET, Progress, Reading, read_all

__all__ = ["sync_pbxs"]

_NOTHING_ACCEPTED = Accepted()


def sync_pbxs(
    config: Config,
    *,
    db: Path,
    dataset: str,
    accepted: Accepted = _NOTHING_ACCEPTED,
    progress: Progress | None = None,
    clock_offset: timedelta = NO_OFFSET,
) -> list[SyncResult]:
    """Reads every PBX of the settings and loads what is new; one result each, in their order.

    `clock_offset` is added to all times: a simulated PBX may live on another day.
    An error of a PBX is in its result. Raises DestinationError when nothing could be written at all, and
    SettingsError for an unusable dataset.
    """
    location = HistoryLocation(db, dataset, config.destination, config.project)
    check_destination(location)
    work = WorkFolder(location)
    with Ping(config.run.ping_url) as ping:
        results = _read_and_loaded(
            config, location, work, accepted, partial(read_all, config, work.spool, progress, clock_offset)
        )
        ping.finished(results)
    announce_after_sync(config, location, work.path / "notify")
    return results


def _read_and_loaded(
    config: Config, location: HistoryLocation, work: WorkFolder, accepted: Accepted, read: Callable[[], list[Reading]]
) -> list[SyncResult]:
    try:
        with private_files(), work.held(config.run.busy_timeout_seconds):
            importing = threading.Thread(target=importlib.import_module, args=("dlt_threecx.loading.loader",))
            importing.start()
            readings = read()
            importing.join()
            from dlt_threecx.settings.dlt_environment import dlt_settings_of

            with (
                dlt_settings_of(config.project),
                closing(open_destination(location, wait_seconds=config.run.busy_timeout_seconds)) as destination,
            ):
                return _compared_and_loaded(destination, work, readings, accepted, config.run)
    except OSError as error:
        raise DestinationError(
            f"write below {error.filename or work.path}",
            error.strerror or str(error),
            "Mend that, and run again",
        ) from error
    except duckdb.Error as error:
        raise DestinationError(
            f"use of {location}",
            first_line(error),
            "Check the disk, and that this is a file of threecx; then run again",
        ) from error


def _compared_and_loaded(
    destination: Destination,
    work: WorkFolder,
    readings: list[Reading],
    accepted: Accepted,
    run: RunConfig,
) -> list[SyncResult]:
    from dlt_threecx.loading.loader import Loader

    loader = Loader(destination, work, run.table_format)
    loader.finish_pending()
    by_name = {reading.pbx.name: reading for reading in readings}
    states = pbx_states(destination, list(by_name))
    versions = VersionsFile(work.spool / "versions.parquet")
    results: dict[str, SyncResult] = {}

    def judge(name: str, known: Iterable[Known]) -> None:
        history = StoredPbx(states[name], known, partial(device_rows, destination, name))
        results[name] = decide(by_name[name], history, versions, accepted, run.volatile)

    try:
        for name, known in known_devices(destination, list(by_name)):
            judge(name, known)
        for name in [name for name in by_name if name not in results]:
            judge(name, ())
    finally:
        versions.close()
    in_order = [results[name] for name in by_name]
    loader.load([result.row for result in in_order], versions, states)
    destination.create_views()
    return in_order
