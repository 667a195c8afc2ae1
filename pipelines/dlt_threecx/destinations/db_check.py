"""Whether a DuckDB file may be written: a new one, one of dlt's, but never another program's."""

from __future__ import annotations

import duckdb

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import DestinationError
from dlt_threecx.source.errors import SettingsError
from dlt_threecx.tables import LOADS

__all__ = ["check_db_content", "check_db_file"]

_MAGIC = slice(8, 12), b"DUCK"
"""Where every DuckDB file says what it is."""

_OTHER_PATH = "Nothing was touched. Choose another path with --db"


def check_db_file(location: HistoryLocation) -> None:
    """Raises SettingsError for a path that is no file, or the file of another program.

    Raises DestinationError for a file that was a history and no longer is a database.
    """
    db = location.db
    if db.is_dir():
        raise SettingsError(f"history {db}", "this is a folder", _OTHER_PATH)
    if not db.exists() or db.stat().st_size == 0:
        return
    try:
        with db.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise DestinationError(f"open {db}", error.strerror or str(error), "Check its permissions") from error
    part, expected = _MAGIC
    if head[part] != expected:
        if location.work_folder.exists():
            raise DestinationError(
                f"open {db}", "it is damaged: this is no longer a DuckDB file", "Put a backup in its place"
            )
        raise SettingsError(f"history {db}", "this is not a DuckDB file", _OTHER_PATH)


def check_db_content(location: HistoryLocation) -> None:
    """Raises SettingsError when the file has tables, but none that dlt loaded: it belongs to another program."""
    if not location.db.exists():
        return
    try:
        with duckdb.connect(str(location.db), read_only=True) as connection:
            names = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    except duckdb.Error:
        return  # busy or broken: opening it for the load says so
    if names and LOADS not in names:
        raise SettingsError(f"history {location.db}", "this is the DuckDB file of another program", _OTHER_PATH)
