"""A history to publish, and the rows on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.publish.publication import Publication, publish
from dlt_threecx.tables import TABLES
from dlt_threecx.views.views import VIEWS
from tests.literal import Day, empty_history, write_days

__all__ = ["DAYS", "RELATIONS", "both_sides", "copied", "opened", "published", "rows_of", "written"]

RELATIONS = ("snapshots", "device_versions", *VIEWS)

_PHONE = {"mac": "805EC01A2B01", "vendor": "Yealink", "model": "T46U", "firmware_version": "108.86.0.20"}
_NEWER = _PHONE | {"firmware_version": "108.86.0.90"}
_DESK = {"mac": "0C383E0A0B02", "vendor": "Fanvil", "model": "X4U", "firmware_version": "2.4.6", "dn_number": "201"}

DAYS: tuple[Day, ...] = (
    (70, "hq", {1: _PHONE | {"online": True}, 2: _DESK}),
    (65, "hq", {1: _PHONE | {"online": False}, 2: _DESK}),
    (64, "bath", {7: _DESK | {"dn_number": "301"}}),
    (40, "hq", {1: _NEWER, 2: _DESK, 3: _DESK | {"extra": '{"Colour":"red"}'}}),
    (9, "hq", {1: _NEWER, 3: _DESK | {"extra": '{"Colour":"blue"}'}}),
    (3, "bath", {7: _DESK | {"dn_number": "302"}}),
    (0.1, "hq", {1: _NEWER, 2: _DESK, 3: _DESK}),
)
"""Two PBXs in three or four months: added, on and off line, changed, removed and back."""


def written(db: Path, days: Sequence[Day] = DAYS) -> HistoryLocation:
    """A file whose history are these days, and where it is."""
    db.unlink(missing_ok=True)
    with empty_history(str(db)) as connection:
        write_days(connection, days)
        connection.execute("update snapshots set chain = sha256(pbx || snapshot_id)")
    return HistoryLocation(db, project=db.parent)


def published(location: HistoryLocation, folder: Path, **options: Any) -> Publication:
    """Publishes, and waits for nobody."""
    return publish(location, folder, wait_seconds=0, **options)


def rows_of(connection: duckdb.DuckDBPyConnection, relation: str, columns: str = "*") -> list[str]:
    """All rows of a relation, in any order, as texts."""
    found = connection.execute(f"select {columns} from {relation}").fetchall()
    return sorted(map(repr, found))


def both_sides(
    copy: duckdb.DuckDBPyConnection, history: duckdb.DuckDBPyConnection
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each relation with its rows in the copy and its rows in the history."""
    for relation in RELATIONS:
        columns = ", ".join(column.name for column in TABLES.get(relation, ())) or "*"
        yield relation, rows_of(copy, relation, columns), rows_of(history, relation, columns)


def opened(db: Path) -> duckdb.DuckDBPyConnection:
    """A file, opened as a reader does, in UTC."""
    connection = duckdb.connect(str(db), read_only=True)
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"use {db.stem}.threecx")
    return connection


def copied(folder: Path) -> duckdb.DuckDBPyConnection:
    """The published file, opened as a reader does, in UTC."""
    return opened(folder / "threecx_bi.duckdb")
