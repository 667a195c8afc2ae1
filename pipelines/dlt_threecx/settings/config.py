"""Which PBXs there are and how a run treats them, out of the files in `.dlt` and the environment.

A PBX's own value goes before that of `[sources.threecx]`; in each of the two the environment goes before
secrets.toml, and that before config.toml.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from dlt_threecx.errors import suggestion
from dlt_threecx.settings.keys import KEYS, checked_range, variable
from dlt_threecx.settings.layers import Layers, PbxLayers
from dlt_threecx.source.errors import SettingsError, quoted
from dlt_threecx.source.settings import Settings
from dlt_threecx.tables import DEVICE_COLUMNS

__all__ = [
    "Config",
    "PbxConfig",
    "RunConfig",
    "Severity",
    "Shard",
    "TableFormat",
    "check_pbx_names",
    "load_config",
    "load_destination",
    "load_pbx_names",
    "load_run",
    "matching_names",
]

DEFAULT_DESTINATION = "duckdb"
_MOST_PARALLEL = 64

TableFormat = Literal["parquet", "delta", "iceberg"]
Severity = Literal["info", "low", "medium", "high"]

_CREDENTIALS = ("client_id", "client_secret")
_PBX_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""Names of files and of environment variables are made of it."""
_COLUMNS = tuple(column.name for column in DEVICE_COLUMNS)


@dataclass(frozen=True)
class PbxConfig:
    """One PBX, and what the guard `shrink` lets pass."""

    name: str
    settings: Settings
    max_removed_percent: float = 20.0
    """A reading in which a larger share of the devices is gone, and more than max_removed_devices, is refused."""
    max_removed_devices: int = 5
    """Up to this many devices may disappear without a refusal."""
    max_clock_skew_minutes: float = 60.0
    """A reading is refused when this machine's clock is further from the PBX's, or that far before the last run."""


@dataclass(frozen=True)
class Shard:
    """One of `of` parts of all PBXs. The name of a PBX alone decides its part, so workers need not agree."""

    number: int
    """1 to `of`."""
    of: int

    def __contains__(self, name: str) -> bool:
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest, "big") % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class RunConfig:
    """Settings for all PBXs of a run."""

    volatile: tuple[str, ...] = ("online",)
    """Device columns that are recorded, but open no version."""
    parallel: int | None = None
    """PBXs read at once; without it all of them, up to 64."""
    busy_timeout_seconds: float = 30.0
    """How long to wait for a destination that somebody else uses."""
    table_format: TableFormat = "parquet"
    """What the files of the destination `filesystem` are: parquet, delta or iceberg."""
    heads_file: Path | None = None
    """File that gets the head of every chain after a sync; keep a copy where nobody can write to the history."""
    notify: tuple[str, ...] = field(default=(), repr=False)
    """Addresses of Apprise that get the news after a sync."""
    notify_severity: Severity = "high"
    """A new finding as severe as this, or more, is news."""
    notify_attempts: int = 3
    """This many failed attempts in a row are news."""
    notify_max_age_hours: float = 26.0
    """A PBX without a complete snapshot for longer than this is news."""
    ping_url: str | None = field(default=None, repr=False)
    """Address of a dead man's switch that hears of every sync."""
    publish: Path | None = None
    """Folder of the copy for BI tools that each sync brings up to date."""


@dataclass(frozen=True)
class Config:
    """All settings of a project; `warnings` is for whoever runs it."""

    project: Path
    pbxs: dict[str, PbxConfig]
    run: RunConfig
    destination: str = DEFAULT_DESTINATION
    warnings: tuple[str, ...] = ()

    @property
    def parallel(self) -> int:
        """How many PBXs are read at once. They are waited for most of the time, so many threads cost no more."""
        return self.run.parallel or max(1, min(_MOST_PARALLEL, len(self.pbxs)))


def load_config(
    project: Path, environ: Mapping[str, str], *, only: Sequence[str] = (), shard: Shard | None = None
) -> Config:
    """The settings in the folder `project`, of all PBXs or of `only` some. Raises SettingsError.

    Of these, those of one shard are kept, which may be none.
    """
    layers = Layers.read(project, environ)
    names = layers.pbx_names() or ["default"]
    check_pbx_names(names)
    chosen = matching_names(only, names) or names
    if shard is not None:
        chosen = [name for name in chosen if name in shard]
    pbxs = {name: _pbx(name, layers.of(name)) for name in chosen}
    warnings = [
        f"verify_tls = false: whoever is between here and PBX '{name}' can read its API key"
        for name, pbx in pbxs.items()
        if not pbx.settings.verify_tls and pbx.settings.base_url.startswith("https")
    ]
    return Config(project, pbxs, _run(layers), _destination(layers), (*layers.warnings, *warnings))


def load_destination(project: Path, environ: Mapping[str, str]) -> str:
    """Name of the destination, for commands that need no PBX."""
    return _destination(Layers.read(project, environ))


def load_run(project: Path, environ: Mapping[str, str]) -> RunConfig:
    """What holds for all PBXs, for commands that read none."""
    return _run(Layers.read(project, environ))


def load_pbx_names(project: Path, environ: Mapping[str, str]) -> list[str]:
    """Names of the PBXs that are set up, whether or not all their settings are there."""
    layers = Layers.read(project, environ)
    return layers.pbx_names() or (["default"] if layers.of("default").value("base_url") else [])


def _destination(layers: Layers) -> str:
    return layers.destination_name() or DEFAULT_DESTINATION


def _pbx(name: str, layers: PbxLayers) -> PbxConfig:
    values = {key: layers.value(key) for key in KEYS}
    if layers.has_own("access_token") or not any(layers.has_own(key) for key in _CREDENTIALS):
        token = values["access_token"]
    else:
        # The PBX has an API key of its own: the token that others share is not for it.
        token = values["access_token"] = None
    for key in ("base_url", *(() if token else _CREDENTIALS)):
        if not values[key]:
            raise layers.missing(key)
    given = {field.name: values[field.name] for field in fields(Settings) if values[field.name] is not None}
    if "ca_file" in given:
        given["ca_file"] = str(layers.project / Path(given["ca_file"]).expanduser())
    try:
        settings = Settings(**given)
    except SettingsError as error:
        raise layers.wrong(error) from error
    guards = {
        key: checked_range(key, values[key], 0, highest)
        for key, highest in (
            ("max_removed_percent", 100),
            ("max_removed_devices", 2**31),
            ("max_clock_skew_minutes", 2**31),
        )
        if values[key] is not None
    }
    return PbxConfig(name, settings, **guards)


def _run(layers: Layers) -> RunConfig:
    default = layers.of("default")
    given: dict[str, Any] = {
        key: checked_range(key, value, low, high)
        for key, low, high in (
            ("parallel", 1, _MOST_PARALLEL),
            ("busy_timeout_seconds", 0, 3600),
            ("notify_attempts", 1, 1000),
            ("notify_max_age_hours", 1, 8760),
        )
        if (value := default.value(key)) is not None
    }
    volatile = default.value("volatile")
    if volatile is not None:
        for name in volatile:
            if name not in _COLUMNS:
                raise SettingsError("setting volatile", f"'{name}' is no device column", suggestion(name, _COLUMNS))
        given["volatile"] = tuple(dict.fromkeys(volatile))
    for key, known in (("table_format", get_args(TableFormat)), ("notify_severity", get_args(Severity))):
        if (word := default.value(key)) is not None:
            if word not in known:
                raise SettingsError(f"setting {key}", f"'{word}' is none of its values", suggestion(word, known))
            given[key] = word
    given["notify"] = tuple(dict.fromkeys(default.value("notify") or ()))
    given["ping_url"] = default.value("ping_url")
    for key in ("publish", "heads_file"):
        if (path := default.value(key)) is not None:
            given[key] = layers.project / Path(path).expanduser()
    return RunConfig(**given)


def matching_names(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that are given, or that match a pattern such as `leeds*`. SettingsError when one matches none."""
    found: dict[str, None] = {}
    for pattern in patterns:
        same = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        if not same:
            raise SettingsError(f"PBX '{pattern}'", "there is no such PBX", suggestion(pattern, names))
        found.update(dict.fromkeys(same))
    return list(found)


def check_pbx_names(names: Sequence[str]) -> None:
    """Raises SettingsError for a name that cannot be used, or two that are one in the environment."""
    taken: dict[str, str] = {}
    for name in names:
        if not _PBX_NAME.fullmatch(name):
            raise SettingsError(
                f"PBX '{quoted(name)}'",
                "this is no usable name",
                "Use letters, digits, '-', '_' and '.' only, 100 at most",
            )
        other = taken.setdefault(variable("base_url", name), name)
        if other != name:
            raise SettingsError(
                f"PBX '{name}'",
                f"in the environment it would be the same as '{other}'",
                "Give one of them another name",
            )
