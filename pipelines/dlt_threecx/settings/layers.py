"""Where a setting can be: two TOML files and the environment, each for one PBX or for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from dlt_threecx.errors import suggestion
from dlt_threecx.settings.keys import (
    KEYS,
    PBX_PREFIX,
    PREFIX,
    RUN_KEYS,
    SECRET_KEYS,
    SECTION,
    converted,
    section_of,
    variable,
)
from dlt_threecx.settings.toml_files import read_settings, readable_by_others, shown_path, table
from dlt_threecx.source.errors import SettingsError
from dlt_threecx.source.settings import PLACEHOLDERS

__all__ = ["Layers", "PbxLayers"]

_ENVIRONMENT = "the environment"

_FOR_THE_SOURCE = frozenset(
    ["top", "skip", "count", "orderby", "select", "expand", "sip_devices", "schema", "max_table_nesting"]
)
"""Settings of the dlt source in the same section. A run ignores them."""


class _Layer(NamedTuple):
    """Settings of one origin for one PBX (None: for all)."""

    origin: str
    pbx: str | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class PbxLayers:
    """All settings of one PBX, in the order of precedence."""

    name: str
    project: Path
    layers: tuple[_Layer, ...]

    def value(self, key: str) -> Any:
        """The value of a setting, None when nobody sets it. Raises SettingsError when it has another type."""
        for layer in self.layers:
            if key in layer.values and layer.values[key] not in PLACEHOLDERS:
                return converted(key, layer.values[key], _place(layer, key))
        return None

    def has_own(self, key: str) -> bool:
        """Whether the PBX itself has a value, not only all PBXs together."""
        return any(
            layer.pbx is not None and layer.values.get(key) and layer.values[key] not in PLACEHOLDERS
            for layer in self.layers
        )

    def missing(self, key: str) -> SettingsError:
        """Says where to put a setting: file, section, key and environment variable."""
        placeholder = [layer.origin for layer in self.layers if layer.values.get(key) in PLACEHOLDERS]
        got = f"it still is the placeholder in {placeholder[0]}" if placeholder else "it is missing"
        file = shown_path(self.project, "config.toml" if key == "base_url" else "secrets.toml")
        scopes = [self.name, None] if any(layer.pbx is not None for layer in self.layers) else [None]
        if key == "base_url":
            scopes = scopes[:1]
        sections = " or ".join(f"[{section_of(scope)}]" for scope in scopes)
        variables = " or ".join(variable(key, scope) for scope in scopes)
        example = "https://pbx.example.com:5001" if key == "base_url" else "…"
        return SettingsError(
            f"setting {key}{self._of_pbx}",
            got,
            f'Put {key} = "{example}" under {sections} in {file}, or set {variables}',
        )

    def wrong(self, error: SettingsError) -> SettingsError:
        """The same error, with the PBX and the place of the setting."""
        key = error.asked.removeprefix("setting ")
        place = next((_place(layer, key) for layer in self.layers if key in layer.values), "the settings")
        return SettingsError(f"{error.asked}{self._of_pbx}, in {place}", error.got, error.do)

    @property
    def _of_pbx(self) -> str:
        return f" of PBX '{self.name}'" if any(layer.pbx is not None for layer in self.layers) else ""


@dataclass(frozen=True)
class Layers:
    """All that is set in a project, unconverted."""

    project: Path
    all_pbxs: tuple[_Layer, ...]
    single: tuple[_Layer, ...]
    pipeline: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]

    @classmethod
    def read(cls, project: Path, environ: Mapping[str, str]) -> Layers:
        """Reads both files. Raises SettingsError for one that cannot be read, and for unknown settings."""
        warnings = list(readable_by_others(project, "secrets.toml"))
        shared, single = [_environment(environ)], list(_pbx_environment(environ))
        pipeline: list[Mapping[str, Any]] = [{"destination_name": environ.get("PIPELINE__DESTINATION_NAME")}]
        for name in ("secrets.toml", "config.toml"):
            content, file = read_settings(project, name), shown_path(project, name)
            section = table(table(content, "sources", file), "threecx", file)
            pbxs = table(section, "pbx", file)
            layer = _Layer(file, None, {key: value for key, value in section.items() if key != "pbx"})
            own = [_Layer(file, pbx, table(pbxs, pbx, file)) for pbx in pbxs]
            shared.append(layer)
            single.extend(own)
            pipeline.append(table(content, "pipeline", file))
            if name == "config.toml":
                warnings.extend(_misplaced(layer, *own))
        for layer in (*shared, *single):
            _check_keys(layer)
        return cls(project, tuple(shared), tuple(single), tuple(pipeline), tuple(warnings))

    def pbx_names(self) -> list[str]:
        """PBXs by name, in lower case if only the environment knows them; empty when none has a name."""
        files = {layer.pbx for layer in self.single if layer.pbx is not None and layer.origin != _ENVIRONMENT}
        known = {variable("", name) for name in files}
        others = {
            layer.pbx.lower()
            for layer in self.single
            if layer.pbx is not None and layer.origin == _ENVIRONMENT and variable("", layer.pbx) not in known
        }
        return sorted(files | others)

    def of(self, name: str) -> PbxLayers:
        """What holds for one PBX."""
        same = self._by_variable.get(variable("", name), ())
        own = (layer for layer in same if layer.origin == _ENVIRONMENT or layer.pbx == name)
        return PbxLayers(name, self.project, (*own, *self.all_pbxs))

    @cached_property
    def _by_variable(self) -> dict[str, list[_Layer]]:
        """Layers of single PBXs by the environment variable that their names make; there may be thousands."""
        found: dict[str, list[_Layer]] = {}
        for layer in self.single:
            found.setdefault(variable("", layer.pbx), []).append(layer)
        return found

    def destination_name(self) -> str | None:
        """`[pipeline] destination_name`."""
        found = [values["destination_name"] for values in self.pipeline if values.get("destination_name")]
        return str(found[0]) if found else None


def _environment(environ: Mapping[str, str]) -> _Layer:
    values = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and not name.startswith(PBX_PREFIX) and value
    }
    return _Layer(_ENVIRONMENT, None, values)


def _pbx_environment(environ: Mapping[str, str]) -> Iterator[_Layer]:
    found: dict[str, dict[str, str]] = {}
    for name, value in environ.items():
        pbx, separator, key = name.removeprefix(PBX_PREFIX).rpartition("__")
        if name.startswith(PBX_PREFIX) and separator and value:
            found.setdefault(pbx, {})[key.lower()] = value
    for pbx, values in found.items():
        yield _Layer(_ENVIRONMENT, pbx, values)


def _check_keys(layer: _Layer) -> None:
    for key, value in layer.values.items():
        place = _place(layer, key)
        if layer.pbx is not None and key in RUN_KEYS:
            raise SettingsError(f"setting {key} in {place}", "it holds for all PBXs", f"Put it under [{SECTION}]")
        if key.split("__")[0] in _FOR_THE_SOURCE or (key in KEYS and not isinstance(value, dict)):
            continue
        raise SettingsError(f"setting {key} in {place}", "it is unknown", suggestion(key, (*KEYS, "pbx")))


def _misplaced(*layers: _Layer) -> Iterator[str]:
    """Secrets in the file that everybody may read."""
    for layer in layers:
        for key in SECRET_KEYS:
            if layer.values.get(key) and layer.values[key] not in PLACEHOLDERS:
                yield f"{key} is a secret: move it from {layer.origin} to secrets.toml"


def _place(layer: _Layer, key: str) -> str:
    if layer.origin == _ENVIRONMENT:
        return variable(key, layer.pbx)
    return f"{layer.origin} [{section_of(layer.pbx)}]"
