"""The only place that knows which class serves which destination."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlt_threecx.destinations.base import Database, Destination, History
from dlt_threecx.destinations.db_check import check_db_content, check_db_file
from dlt_threecx.destinations.duckdb_file import DuckDbFile, open_duckdb_history
from dlt_threecx.destinations.location import DUCKDB, POSTGRES, HistoryLocation
from dlt_threecx.own_process import bring_back
from dlt_threecx.source.errors import SettingsError

if TYPE_CHECKING:
    from dlt_threecx.destinations.warehouse import Warehouse

__all__ = ["WAIT_SECONDS", "check_destination", "history_of", "open_destination", "open_for_reading", "open_history"]


_DATASET = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
WAIT_SECONDS = 5.0
"""How long a question waits for a sync that is just writing."""


def open_history(location: HistoryLocation, *, wait_seconds: float = WAIT_SECONDS) -> History:
    """The history at a place. Raises SettingsError when there is none, DestinationError when it is busy."""
    if location.destination == DUCKDB:
        check_db_file(location)
        if location.archives:
            from dlt_threecx.destinations.joined_files import open_joined_files

            return open_joined_files(location, wait_seconds)
        return open_duckdb_history(location, wait_seconds)
    if location.archives:
        raise SettingsError(
            f"--archive with {location}",
            "only a history in a DuckDB file can be read together with its archives",
            "Ask the archive alone, with --db",
        )
    from dlt_threecx.settings.dlt_environment import dlt_settings_of  # imports dlt

    with dlt_settings_of(location.project):
        if location.is_lake:
            from dlt_threecx.destinations.lake import LakeHistory

            return LakeHistory(location)
        from dlt_threecx.destinations.warehouse import WarehouseHistory

        return WarehouseHistory(_warehouse(location, wait_seconds, read_only=True), location)


def open_destination(location: HistoryLocation, *, wait_seconds: float) -> Destination:
    """The destination that a place names. Raises SettingsError or DestinationError."""
    if location.destination == DUCKDB:
        return DuckDbFile(location.db, location.dataset, wait_seconds=wait_seconds)
    if location.is_lake:
        from dlt_threecx.destinations.lake import Lake  # imports dlt

        return Lake(location)
    return _warehouse(location, wait_seconds, read_only=False)


def history_of(database: Database, location: HistoryLocation) -> History:
    """A database that is open for loading, for questions; what a transaction has not committed is seen."""
    if isinstance(database, DuckDbFile):
        return database.history()
    from dlt_threecx.destinations.warehouse import Warehouse, WarehouseHistory

    if not isinstance(database, Warehouse):
        raise TypeError(f"no such database: {database}")
    return WarehouseHistory(database, location)


def _warehouse(location: HistoryLocation, wait_seconds: float, *, read_only: bool) -> Warehouse:
    from dlt_threecx.destinations.postgres import Postgres  # imports dlt
    from dlt_threecx.destinations.warehouse import Warehouse

    kind = Postgres if location.destination == POSTGRES else Warehouse
    if kind is Warehouse:
        bring_back()
    return kind(location, wait_seconds=wait_seconds, read_only=read_only)


def open_for_reading(location: HistoryLocation, *, wait_seconds: float) -> Destination | None:
    """The same, but nothing is written and no other sync is kept away; None when there is nothing yet."""
    if location.destination == DUCKDB:
        if not location.db.exists() or not location.db.stat().st_size:
            return None
        return DuckDbFile(location.db, location.dataset, wait_seconds=wait_seconds, read_only=True)
    from dlt_threecx.settings.dlt_environment import dlt_settings_of  # imports dlt

    with dlt_settings_of(location.project):
        if location.is_lake:
            return open_destination(location, wait_seconds=wait_seconds)
        return _warehouse(location, wait_seconds, read_only=True)


def check_destination(location: HistoryLocation, *, is_known: bool = False) -> None:
    """Raises SettingsError for a place that nothing could be loaded into, without connecting to it.

    A file that is known from a run before is not opened to see whose it is.

    A name of a dataset that dlt would change is one: what is loaded would not be found again.
    """
    name = location.dataset
    if not _DATASET.fullmatch(name):
        raise SettingsError(
            f"dataset '{name}'",
            "this is no usable name",
            "Use lower-case letters and digits, beginning with a letter, with single '_' in between",
        )
    if location.destination == DUCKDB:
        check_db_file(location)
        if not is_known:
            check_db_content(location)
    else:
        from dlt_threecx.destinations.dlt_destination import client_of  # imports dlt
        from dlt_threecx.settings.dlt_environment import dlt_settings_of

        with dlt_settings_of(location.project):
            client_of(location)
