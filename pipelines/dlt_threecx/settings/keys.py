"""The settings: their names in TOML and in the environment, their types, and values out of either."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dlt_threecx.source.errors import SettingsError, quoted

__all__ = [
    "KEYS",
    "PBX_PREFIX",
    "PREFIX",
    "RUN_KEYS",
    "SECRET_KEYS",
    "SECTION",
    "checked_range",
    "converted",
    "section_of",
    "variable",
]

SECTION = "sources.threecx"
PREFIX = "SOURCES__THREECX__"
PBX_PREFIX = PREFIX + "PBX__"

SECRET_KEYS = ("client_secret", "access_token", "fingerprint_key", "notify", "ping_url")
"""Settings whose values appear in no message."""

RUN_KEYS = (
    *("volatile", "parallel", "busy_timeout_seconds", "table_format", "publish", "heads_file"),
    *("notify", "notify_severity", "notify_attempts", "notify_max_age_hours", "ping_url"),
)
"""Settings that hold for all PBXs of a run."""

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        raise ValueError("a text in quotes")
    return value.strip() or None


def _integer(value: Any) -> int:
    if isinstance(value, str):
        value = _parsed(int, value, "a whole number")
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str):
        value = _parsed(float, value, "a number")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("a number")
    return float(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        value = _WORDS.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _texts(value: Any) -> list[str]:
    """`["a", "b"]`, as TOML, as JSON, or `a,b`."""
    expected = 'a list of texts such as ["online"]'
    if isinstance(value, str):
        is_json = value.lstrip().startswith("[")
        value = _parsed(json.loads, value, expected) if is_json else value.split(",")
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(expected)
    return [text.strip() for text in value if text.strip()]


KEYS: dict[str, Callable[[Any], Any]] = {
    "base_url": _text,
    "client_id": _text,
    "client_secret": _text,
    "access_token": _text,
    "fingerprint_key": _text,
    "filter": _text,
    "search": _text,
    "page_size": _integer,
    "pages_in_flight": _integer,
    "max_walks": _integer,
    "consistency": _text,
    "timeout_seconds": _number,
    "attempts": _integer,
    "backoff_seconds": _number,
    "ca_file": _text,
    "verify_tls": _boolean,
    "allow_http": _boolean,
    "max_removed_percent": _number,
    "max_removed_devices": _integer,
    "max_clock_skew_minutes": _number,
    "volatile": _texts,
    "parallel": _integer,
    "busy_timeout_seconds": _number,
    "table_format": _text,
    "heads_file": _text,
    "notify": _texts,
    "notify_severity": _text,
    "notify_attempts": _integer,
    "notify_max_age_hours": _number,
    "ping_url": _text,
    "publish": _text,
}
"""Every setting, and the function that converts its value."""


def converted(key: str, value: Any, origin: str) -> Any:
    """The value in its setting's type, None for an empty text. Raises SettingsError, which names `origin`."""
    try:
        return KEYS[key](value)
    except ValueError as error:
        shown = "its value" if key in SECRET_KEYS else quoted(repr(value))
        raise SettingsError(f"setting {key}", f"{shown} is not {error}", f"Correct it in {origin}") from error


def checked_range(key: str, value: float, low: float, high: float) -> Any:
    """The value, if it lies between both."""
    if not low <= value <= high:
        raise SettingsError(f"setting {key}", f"{value:g} is not between {low} and {high}", "Correct the setting")
    return value


def variable(key: str, pbx: str | None = None) -> str:
    """Environment variable of a setting; `-` and `.`, which no shell takes in a name, become `_`."""
    if pbx is None:
        return f"{PREFIX}{key.upper()}"
    return f"{PBX_PREFIX}{re.sub('[-.]', '_', pbx).upper()}__{key.upper()}"


def section_of(pbx: str | None) -> str:
    """TOML section of a PBX, or of all."""
    if pbx is None:
        return SECTION
    return f'{SECTION}.pbx."{pbx}"' if "." in pbx else f"{SECTION}.pbx.{pbx}"


def _parsed(parse: Callable[[str], Any], text: str, expected: str) -> Any:
    try:
        return parse(text.strip())
    except ValueError:
        raise ValueError(expected) from None
