"""One run: connect → walk → snapshot → compare → load → views, for any number of PBXs.

The PBXs are read first, while dlt is being imported. Then the destination is opened, what an earlier run left is
finished, and each snapshot is compared with what the history holds. All that is new goes into one package.

The destination is not kept open while PBXs are read, so another worker may load meanwhile. A reading is only compared
with the state that held when it began: a PBX whose history has grown since is read again.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dlt_threecx.compare.decide import Accepted, SyncResult, bound, decide
from dlt_threecx.compare.guards import RESTORED, restored_refusal
from dlt_threecx.compare.previous import PbxState, StoredPbx
from dlt_threecx.compare.versions_file import VersionsFile
from dlt_threecx.destinations.base import Destination
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import check_destination, open_destination, open_for_reading
from dlt_threecx.errors import DestinationError, OvertakenError, first_line
from dlt_threecx.evidence.heads_file import append_heads
from dlt_threecx.integrity.ledger import Head
from dlt_threecx.loading.comparison import NOTHING, Comparison, comparisons
from dlt_threecx.loading.history_check import check_history
from dlt_threecx.loading.previous_state import api_shapes, pbx_states
from dlt_threecx.loading.runs_before import runs_before
from dlt_threecx.loading.state_cache import StateCache
from dlt_threecx.loading.views_update import update_views, views_digest
from dlt_threecx.loading.work_folder import WorkFolder, private_files
from dlt_threecx.notify.ping import Ping
from dlt_threecx.settings.config import Config
from dlt_threecx.snapshot.known_rows import KnownFile
from dlt_threecx.snapshot.reader_process import read_here
from dlt_threecx.snapshot.reading import NO_OFFSET, Identity, Progress, ReadAll, Reading, unforeseen, with_nearest_clock
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.source.errors import ThreecxError

if TYPE_CHECKING:
    from dlt_threecx.loading.loader import Loader

__all__ = ["sync_pbxs"]

_log = logging.getLogger(__name__)
_NOTHING_ACCEPTED = Accepted()
_Read = Callable[[Config, Mapping[str, Identity], Mapping[str, KnownFile]], list[Reading]]
_READINGS = 3
"""How often a PBX is read at most, when others keep adding to its history meanwhile."""


def sync_pbxs(
    config: Config,
    *,
    db: Path,
    dataset: str,
    accepted: Accepted = _NOTHING_ACCEPTED,
    progress: Progress | None = None,
    clock_offset: timedelta = NO_OFFSET,
    read: ReadAll = read_here,
) -> list[SyncResult]:
    """Reads every PBX of the settings and loads what is new; one result each, in their order.

    `clock_offset` is added to all times: a simulated PBX may live on another day. `read` is what reads the PBXs.
    An error of a PBX is in its result. Raises DestinationError when nothing could be written at all, and
    SettingsError for an unusable dataset.
    """
    location = HistoryLocation(db, dataset, config.destination, config.project)
    work = WorkFolder(location)
    check_destination(location, is_known=work.last_head is not None)
    with Ping(config.run.ping_url) as ping:
        results = _read_and_loaded(
            config,
            location,
            work,
            accepted,
            lambda some, known, files: read(some, work.spool, progress, clock_offset, known, files),
        )
        ping.finished(results)
    if config.run.heads_file:
        append_heads(config.run.heads_file, [result.row for result in results])
    if config.run.publish:
        from dlt_threecx.publish.after_sync import publish_after_sync  # most runs need neither of the two

        publish_after_sync(location, config.run.publish, work.path, config.run.busy_timeout_seconds)
    if config.run.notify:
        from dlt_threecx.notify.announce import announce_after_sync

        announce_after_sync(config, location, work.path / "notify")
    return results


def _read_and_loaded(
    config: Config, location: HistoryLocation, work: WorkFolder, accepted: Accepted, read: _Read
) -> list[SyncResult]:
    try:
        with private_files(), work.held(config.run.busy_timeout_seconds):
            run = _Run(location, work, config, accepted, read)
            for _ in range(_READINGS - 1):
                run.read()
                if (results := run.load()) is not None:
                    return results
            run.read()
            return run.load_what_is_current()
    except OSError as error:
        raise DestinationError(
            f"write below {error.filename or work.path}",
            error.strerror or str(error),
            "Correct that, and run again",
        ) from error
    except duckdb.Error as error:
        raise DestinationError(
            f"use of {location}",
            first_line(error),
            "Check the disk, and that this is a file of threecx; then run again",
        ) from error


class _Run:
    """The readings of one run, and the states of the history that they are compared with."""

    def __init__(
        self, location: HistoryLocation, work: WorkFolder, config: Config, accepted: Accepted, read: _Read
    ) -> None:
        self._location, self._work, self._config, self._accepted = location, work, config, accepted
        self._read = read
        self._before: dict[str, PbxState] = {}
        self._readings: dict[str, Reading] = {}
        self._to_read = config.pbxs
        self._is_restored = False
        self._wait_seconds = config.run.busy_timeout_seconds

    def read(self) -> None:
        """Notes the state of each PBX that is still to be read, then reads it."""
        self._before |= self._noted(list(self._to_read))
        known = {name: state.identity for name, state in self._before.items() if state.identity}
        cache = StateCache(self._work.state)
        kept = {name: cache.known_file(name, self._before[name]) for name in self._to_read}
        files = {name: file for name, file in kept.items() if file is not None}
        # dlt is imported meanwhile, unless the destination needed it to read its state.
        importing = threading.Thread(target=importlib.import_module, args=("dlt_threecx.loading.loader",))
        importing.start()
        try:
            readings = with_nearest_clock(self._read(replace(self._config, pbxs=self._to_read), known, files))
        finally:
            importing.join()
        self._readings |= {reading.pbx.name: reading for reading in readings}

    def load(self) -> list[SyncResult] | None:
        """Loads all readings; None, and nothing is loaded, when some PBXs have to be read again."""
        with self._opened() as loader:
            states = pbx_states(loader.destination, list(self._config.pbxs))
            overtaken = self._overtaken(loader, states)
            self._to_read = {name: self._config.pbxs[name] for name in overtaken}
            return None if overtaken else self._compared_and_loaded(loader, states)

    def load_what_is_current(self) -> list[SyncResult]:
        """Loads all readings; those that were overtaken once more fail."""
        with self._opened() as loader:
            states = pbx_states(loader.destination, list(self._config.pbxs))
            for name in self._overtaken(loader, states):
                self._readings[name] = replace(self._readings[name], outcome=_overtaken_error(name))
            return self._compared_and_loaded(loader, states)

    def _noted(self, names: list[str]) -> dict[str, PbxState]:
        destination = open_for_reading(self._location, wait_seconds=self._wait_seconds)
        with closing(destination) if destination else nullcontext():
            self._check_history(destination)
            return pbx_states(destination, names) if destination else {name: PbxState() for name in names}

    def _check_history(self, destination: Destination | None) -> None:
        """Raises RefusedError when this is not the history that it was, unless that is accepted."""
        _, unfinished = self._work.announcement.read() or ({}, [])
        known = self._work.checked
        why, checked = check_history(destination, self._work.last_head, unfinished, known)
        if checked is not None and checked != known:
            self._work.note_checked(checked)
        self._is_restored = why is not None
        if why is not None and RESTORED not in self._accepted.guards:
            raise restored_refusal(str(self._location), why)

    @contextmanager
    def _opened(self) -> Iterator[Loader]:
        """The destination, open for loading; what an earlier run left there is finished."""
        from dlt_threecx.loading.loader import Loader
        from dlt_threecx.settings.dlt_environment import dlt_settings_of

        with (
            dlt_settings_of(self._config.project),
            closing(open_destination(self._location, wait_seconds=self._wait_seconds)) as destination,
        ):
            loader = Loader(destination, self._work, self._config.run.table_format)
            loader.finish_pending()
            yield loader

    def _overtaken(self, loader: Loader, states: Mapping[str, PbxState]) -> list[str]:
        """PBXs that were read while somebody else added to their history."""
        return [
            name
            for name, reading in self._readings.items()
            if isinstance(reading.outcome, Snapshot)
            and states[name].last_id != self._before[name].last_id
            and states[name].last_id not in loader.finished
        ]

    def _compared_and_loaded(self, loader: Loader, states: Mapping[str, PbxState]) -> list[SyncResult]:
        destination, names = loader.destination, list(self._config.pbxs)
        versions = VersionsFile(self._work.spool / "versions.parquet")
        results: dict[str, SyncResult] = {}

        def decided(name: str, comparison: Comparison) -> None:
            history = StoredPbx(
                states[name], comparison.differences, comparison.rows, self._before[name], shapes.get(name)
            )
            result = self._decided(self._readings[name], history, versions)
            if self._is_restored:
                accepted = ",".join(filter(None, (result.row.accepted, RESTORED)))
                row = replace(result.row, accepted=accepted, because=self._accepted.because)
                result = replace(result, row=row)
            results[name] = replace(result, is_new=states[name].last is None)

        read = {name: reading.outcome for name, reading in self._readings.items()}
        snapshots = {name: outcome for name, outcome in read.items() if isinstance(outcome, Snapshot)}
        cache, shapes = StateCache(self._work.state), api_shapes(destination, list(snapshots))
        try:
            for name, comparison in comparisons(destination, cache, states, snapshots):
                decided(name, comparison)
            for name in read.keys() - snapshots.keys():
                decided(name, NOTHING)
        finally:
            versions.close()
        in_order = bound([results[name] for name in names], states, runs_before(destination))
        with ThreadPoolExecutor(1) as pool:
            # The database lists its views while dlt gets ready to load.
            digest = pool.submit(views_digest, destination)
            loader.load([result.row for result in in_order], versions, states)
        last = in_order[-1].row
        try:
            self._work.remember(Head(last.pbx, last.snapshot_id, last.chain))
            cache.keep([result.row for result in in_order], states, snapshots)
        except OSError as error:
            # All is loaded, and the next run finds out what is not noted.
            _log.warning("the state could not be kept: %s", error)
        for problem in update_views(destination, self._work, digest.result()):
            _log.warning("%s", problem)
        return in_order

    def _decided(self, reading: Reading, history: StoredPbx, versions: VersionsFile) -> SyncResult:
        """The result for one PBX. An error that nobody foresaw is its own, and ends no other's run."""
        volatile = self._config.run.volatile
        try:
            return decide(reading, history, versions, self._accepted, volatile)
        except (ThreecxError, OSError, duckdb.Error):
            # That is the destination's or the disk's.
            raise
        except Exception as error:  # noqa: BLE001 - one PBX never ends the run of the others
            versions.remove(reading.pbx.name)
            do = "Run threecx verify: if it finds nothing, this is a bug; report it with the PBX's version"
            failed = replace(reading, outcome=unforeseen(error, "comparing the snapshot with the history", do))
            return decide(failed, history, versions, self._accepted, volatile)


def _overtaken_error(name: str) -> OvertakenError:
    return OvertakenError(
        f"snapshot of PBX '{name}'",
        f"while it was read, another sync added to its history; this happened {_READINGS} times",
        "Nothing of it was loaded. Let only one project sync this PBX, or run again when the other has finished",
    )
