"""The settings files of a project, `.dlt/config.toml` and `.dlt/secrets.toml`, as they are."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dlt_threecx.source.errors import SettingsError

__all__ = ["read_settings", "readable_by_others", "shown_path", "table"]


def read_settings(project: Path, name: str) -> dict[str, Any]:
    """Content of a file, empty when there is none. Raises SettingsError when it cannot be read."""
    file = shown_path(project, name)
    try:
        return tomllib.loads((project / ".dlt" / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(file, f"it cannot be read ({error.strerror})", "Make it readable") from error
    except UnicodeDecodeError as error:
        raise SettingsError(file, "it is no UTF-8 text", "Save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, f"it is no valid TOML: {error}", "Correct that line") from error
    except RecursionError:
        raise SettingsError(file, "its lists or tables lie too deep in each other", "Correct it") from None


def table(parent: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    """A table in a table, empty when there is none. Raises SettingsError when it is something else."""
    found = parent.get(name, {})
    if isinstance(found, dict):
        return found
    raise SettingsError(
        file,
        f"'{name}' is a value, not a table",
        "There is [sources.threecx], [sources.threecx.pbx.NAME], [pipeline]",
    )


def readable_by_others(project: Path, name: str) -> Iterator[str]:
    """A warning when more people than its owner can read a file."""
    path = project / ".dlt" / name
    if os.name == "posix" and path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o044:
        file = shown_path(project, name)
        yield f"{file} can be read by other users of this machine: chmod 600 {file}"


def shown_path(project: Path, name: str) -> str:
    """The file as its user would type it."""
    path = project / ".dlt" / name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
