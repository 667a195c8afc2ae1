"""The DuckDB file of a project: `--db`, else dlt's own setting for it, else phones.duckdb."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlt_threecx.settings.toml_files import read_settings, shown_path, table
from dlt_threecx.source.errors import SettingsError

__all__ = ["DEFAULT_DB", "duckdb_path"]

DEFAULT_DB = "phones.duckdb"
_VARIABLE = "DESTINATION__DUCKDB__CREDENTIALS"
_URL = "duckdb:///"


def duckdb_path(project: Path, environ: Mapping[str, str], given: str | None = None) -> Path:
    """The file, `given` on the command line or set in the project; a relative one lies in the project folder.

    Raises SettingsError for what is no file: memory, or an address.
    """
    text, origin = (given, "--db") if given is not None else _setting(project, environ)
    path = text.strip().removeprefix(_URL)
    if not path or path.startswith((":memory:", "md:")) or "://" in path:
        raise SettingsError(
            f"{origin} '{text}'", "a history needs a file on this machine", f"Give a path such as {DEFAULT_DB}"
        )
    return project / Path(path).expanduser()


def _setting(project: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """The value and where it stands."""
    for name in (_VARIABLE, f"{_VARIABLE}__DATABASE"):
        if environ.get(name):
            return environ[name], name
    for name in ("secrets.toml", "config.toml"):
        file = shown_path(project, name)
        section = table(table(read_settings(project, name), "destination", file), "duckdb", file)
        value: Any = section.get("credentials")
        if isinstance(value, dict):
            value = value.get("database")
        if value is None:
            continue
        origin = f"[destination.duckdb] credentials in {file}"
        if not isinstance(value, str):
            raise SettingsError(origin, "it is not a text in quotes", f'Write credentials = "{DEFAULT_DB}"')
        return value, origin
    return DEFAULT_DB, "the default"
