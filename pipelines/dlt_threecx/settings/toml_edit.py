"""Values written into `.dlt/config.toml` and `.dlt/secrets.toml`. What else stands there, comments too, stays."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from dlt_threecx.settings.toml_files import shown_path
from dlt_threecx.source.errors import SettingsError

__all__ = ["SettingsFile", "write_file"]

PRIVATE = 0o600
_READABLE = 0o644

_HEADERS = {
    "config.toml": "# Settings of threecx. Each can come from the environment instead: SOURCES__THREECX__BASE_URL …\n"
    "# The API key stands in secrets.toml, beside this file.\n",
    "secrets.toml": "# The API keys of threecx. Keep this file to yourself, and out of version control.\n",
}


class SettingsFile:
    """One of the two files, to be changed and written. Raises SettingsError when it cannot be read."""

    def __init__(self, project: Path, name: str) -> None:
        self.path = project / ".dlt" / name
        self.shown = shown_path(project, name)
        self._is_secret = name == "secrets.toml"
        try:
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else _HEADERS[name]
            self._document = tomlkit.parse(text)
        except OSError as error:
            raise SettingsError(self.shown, f"it cannot be read ({error.strerror})", "Make it readable") from error
        except (TOMLKitError, UnicodeDecodeError) as error:
            raise SettingsError(self.shown, f"it is no valid TOML: {error}", "Correct that line") from error

    def values(self, pbx: str | None) -> Mapping[str, Any]:
        """What stands there for one PBX, or for all (None)."""
        found: Any = self._document
        for name in _path(pbx):
            found = found.get(name, {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def set(self, pbx: str | None, values: Mapping[str, Any]) -> None:
        """Sets values of one PBX, or of all (None)."""
        section: Any = self._document
        for name in _path(pbx):
            if name not in section:
                # a table that only holds tables has no header of its own
                section[name] = tomlkit.table(is_super_table=name in ("sources", "pbx"))
            section = section[name]
            if not isinstance(section, MutableMapping):
                raise SettingsError(self.shown, f"'{name}' is a value, not a table", "Correct it by hand")
        section.update(values)

    def remove(self, pbx: str | None, keys: tuple[str, ...]) -> dict[str, Any]:
        """Takes values of one PBX, or of all (None), out of the file."""
        found = self.values(pbx)
        removed = {key: found[key] for key in keys if key in found}
        if isinstance(found, MutableMapping):
            for key in removed:
                del found[key]
        return removed

    def write(self) -> None:
        """Writes the file whole. Secrets can be read by their owner only, from the first moment on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        mode = PRIVATE if self._is_secret else _READABLE
        if not self._is_secret and self.path.exists():
            mode = stat.S_IMODE(self.path.stat().st_mode)
        write_file(self.path, tomlkit.dumps(self._document), mode)


def write_file(path: Path, text: str, mode: int) -> None:
    """Writes a file whole, or leaves what was there; it has this mode before anything stands in it."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    unfinished.replace(path)


def _path(pbx: str | None) -> tuple[str, ...]:
    return ("sources", "threecx") if pbx is None else ("sources", "threecx", "pbx", pbx)
