"""The functions for other Python programs: `sync` reads the PBXs, `open_history` answers from what was read.

```python
from dlt_threecx import open_history, sync

run = sync("/srv/threecx", pbx=["hq"])
run.raise_for_status()
with open_history("/srv/threecx") as history:
    history.devices(at="2026-11-03").to_pandas()
```
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlt_threecx.child_process import Job, sync_in_child
from dlt_threecx.compare.decide import Accepted, SyncResult
from dlt_threecx.compare.guards import GUARDS
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import DUCKDB, HistoryLocation
from dlt_threecx.destinations.open import open_history as open_stored_history
from dlt_threecx.errors import suggestion
from dlt_threecx.findings.waivers import load_waivers
from dlt_threecx.integrity.verdict import Verdict
from dlt_threecx.integrity.verify import verify as verdicts
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.times import parsed_time
from dlt_threecx.settings.config import load_config, load_destination, load_pbx_names
from dlt_threecx.settings.duckdb_path import duckdb_path
from dlt_threecx.source.errors import ExitCode, QueryError, SettingsError, ThreecxError
from dlt_threecx.tables import DATASET

__all__ = ["HistoryTables", "PbxResult", "Run", "open_history", "pbx_names", "sync"]

Folder = str | os.PathLike[str]
Time = str | date
"""Text as on the command line (`2026-11-03`, `7d`), a day, or a datetime. Without a time zone it is UTC."""

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class PbxResult:
    """What a run found on one PBX. Counts are None when the PBX could not be read."""

    pbx: str
    status: str
    """complete, refused or failed"""
    reason: str | None
    detail: str | None
    snapshot_id: str
    taken_at: datetime | None
    devices: int | None
    added: int | None
    changed: int | None
    removed: int | None
    returned: int | None
    refreshed: int | None
    rebaselined: int | None
    shape_changes: tuple[str, ...]
    """Properties of the API that are new, or have another type than before."""
    chain: str
    """The head of the chain: note it elsewhere, and `verify` can prove that nothing was cut off."""
    error: ThreecxError | None

    @property
    def exit_code(self) -> ExitCode:
        """What the command line returns for this PBX."""
        return self.error.exit_code if self.error else ExitCode.DONE

    @property
    def retryable(self) -> bool:
        """The same call may succeed some minutes later."""
        return self.error is not None and self.error.retryable


@dataclass(frozen=True)
class Run:
    """The outcome of one `sync`."""

    results: tuple[PbxResult, ...]
    """One for each PBX, in the order of the settings."""
    warnings: tuple[str, ...] = ()
    """What is risky in the settings, such as a secrets.toml that others can read."""

    @property
    def exit_code(self) -> ExitCode:
        """The highest of the results."""
        return max((result.exit_code for result in self.results), default=ExitCode.DONE)

    def raise_for_status(self) -> Run:
        """Raises the error with the highest exit code, or returns the run."""
        errors = {result.pbx: result.error for result in self.results if result.error}
        if not errors:
            return self
        worst = max(errors.values(), key=lambda error: error.exit_code)
        if len(self.results) > 1:
            names = ", ".join(f"{pbx} ({error.reason})" for pbx, error in errors.items())
            worst.add_note(f"{len(errors)} of {len(self.results)} PBXs failed: {names}")
        raise worst


def sync(
    project: Folder = ".",
    *,
    pbx: Sequence[str] = (),
    db: Folder | None = None,
    destination: str | None = None,
    dataset: str = DATASET,
    accept: Collection[str] = (),
    because: str | None = None,
) -> Run:
    """Reads the PBXs of a project, all or those named in `pbx`, and adds what is new to the history.

    A PBX that fails or is refused is in the results. Raises SettingsError for wrong settings, and DestinationError when
    nothing could be written. It runs in a child process, so this one keeps its environment, umask and settings of dlt.
    """
    folder = _project(project)
    _check_accepted(accept, because)
    config = load_config(folder, os.environ, only=pbx)
    location = _location(folder, db, destination, dataset)
    config = replace(config, destination=location.destination)
    results = sync_in_child(Job(config, location.db, dataset, Accepted(tuple(accept), because)))
    return Run(tuple(map(_pbx_result, results)), config.warnings)


def pbx_names(project: Folder = ".") -> list[str]:
    """The names of the PBXs in the settings of a project, for a task of its own for each of them."""
    return load_pbx_names(_project(project), os.environ)


class HistoryTables:
    """The answers of one history, each as a pyarrow Table. All times are UTC."""

    def __init__(self, history: History, project: Path) -> None:
        self._history, self._project = history, project

    def devices(self, *, at: Time | None = None, pbx: Sequence[str] = ()) -> pa.Table:
        """The devices that are there now, or that were there at a time; a day means its end."""
        query = SqlQuery("*", "devices") if at is None else SqlQuery("*", "devices_as_of(?)", _time(at, end=True))
        return self._table(query.among("pbx", pbx).ordered("pbx", "device_id"))

    def changes(self, *, since: Time = "7d", until: Time | None = None, pbx: Sequence[str] = ()) -> pa.Table:
        """The rows of the view `device_changes` from one time to another, oldest first."""
        query = SqlQuery("*", "device_changes").where("changed_at >= ?", _time(since)).among("pbx", pbx)
        if until is not None:
            query.where("changed_at <= ?", _time(until, end=True))
        return self._table(query.ordered("changed_at", "pbx", "device_id", "field"))

    def findings(self, *, waived: bool = False, pbx: Sequence[str] = ()) -> pa.Table:
        """The rows of the view `findings`; those that .dlt/waivers.toml accepts only with `waived`."""
        found = self._table(SqlQuery("*", "findings").among("pbx", pbx).ordered("severity", "rule", "pbx", "device_id"))
        if waived:
            return found
        today = datetime.now(UTC).date()
        waivers = [one for one in load_waivers(self._project) if not one.has_ended(today)]
        keys = found.select(["rule", "pbx", "device_id", "mac"]).to_pylist()
        kept = [
            not any(one.covers(key["rule"], key["pbx"], key["device_id"], key["mac"]) for one in waivers)
            for key in keys
        ]
        return found.filter(pa.array(kept, pa.bool_()))

    def sql(self, query: str) -> pa.Table:
        """The answer to a query, in the SQL of the destination. It can only read. Raises QueryError."""
        return self._history.arrow_query(query)

    def verify(self, *, pbx: Sequence[str] = ()) -> list[Verdict]:
        """Whether the history is what was written: one verdict for each PBX."""
        with self._history.original() as history:
            return list(verdicts(history, pbx))

    def _table(self, query: SqlQuery) -> pa.Table:
        return self._history.arrow(query.sql, query.params)


@contextmanager
def open_history(
    project: Folder = ".",
    *,
    db: Folder | None = None,
    destination: str | None = None,
    dataset: str = DATASET,
    archives: Sequence[Folder] = (),
) -> Iterator[HistoryTables]:
    """The history of a project, to read only. While a DuckDB file is open here, no sync can write to it.

    `archives` are files of `threecx archive`, to be read together with it; they belong to the project's folder.
    Raises SettingsError when there is none, DestinationError when it is busy.
    """
    folder = _project(project)
    location = replace(_location(folder, db, destination, dataset), archives=tuple(folder / file for file in archives))
    with open_stored_history(location) as history:
        yield HistoryTables(history, folder)


def _project(project: Folder) -> Path:
    folder = Path(project).absolute()
    if not folder.is_dir():
        raise SettingsError(f"project {folder}", "there is no such folder", "Name the folder that holds .dlt")
    return folder


def _location(project: Path, db: Folder | None, destination: str | None, dataset: str) -> HistoryLocation:
    destination = destination or load_destination(project, os.environ)
    file = duckdb_path(project, os.environ, None if db is None else os.fspath(db)) if destination == DUCKDB else project
    return HistoryLocation(file, dataset, destination, project)


def _check_accepted(guards: Collection[str], because: str | None) -> None:
    for guard in guards:
        if guard not in GUARDS:
            raise SettingsError(f"accept '{guard}'", "there is no such guard", suggestion(guard, GUARDS))
    if bool(guards) != bool(because and because.strip()):
        raise SettingsError("accept and because", "only one of them was given", "They need each other")


def _pbx_result(result: SyncResult) -> PbxResult:
    values: dict[str, Any] = {**result.report(), "shape_changes": result.shape_changes, "error": result.error}
    return PbxResult(**{field.name: values[field.name] for field in fields(PbxResult)})


def _time(value: Time, *, end: bool = False) -> datetime:
    """In UTC; with `end` a day means its last moment."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        midnight = datetime.combine(value, time(), UTC)
        return midnight + timedelta(days=1) - _TICK if end else midnight
    try:
        return parsed_time(value, datetime.now(UTC), end=end)
    except ValueError as error:
        raise QueryError("a time", str(error), "Write it as one of these, or pass a datetime") from None
