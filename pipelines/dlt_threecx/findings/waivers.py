"""Waivers: findings that somebody has looked at and accepts, with a reason and, better, an end.

```toml
# .dlt/waivers.toml
[[waiver]]
rule = "no_dn"
pbx = "hq"                  # left out: on every PBX
device = "80:5E:C0:0A:1B:2C"  # MAC or Id; left out: every device
reason = "spare phones in the store"
expires = 2027-03-31        # its last day; left out: never
```
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from dlt_threecx.errors import suggestion
from dlt_threecx.findings.rule import rules
from dlt_threecx.settings.toml_files import read_settings, shown_path
from dlt_threecx.source.device import normal_mac
from dlt_threecx.source.errors import SettingsError

__all__ = ["FILE", "Waiver", "load_waivers"]

FILE = "waivers.toml"

_KEYS = ("rule", "pbx", "device", "reason", "expires")


class Waiver(NamedTuple):
    """Accepts the findings of a rule, on a PBX or a device if it names one."""

    number: int
    """Its place in the file, from 1."""
    rule: str
    reason: str
    pbx: str | None = None
    device: str | None = None
    """An Id, or a MAC address in twelve upper-case digits."""
    expires: date | None = None

    def has_ended(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today

    def covers(self, rule: str, pbx: str, device_id: int | None, mac: str | None) -> bool:
        """Whether it is about this finding."""
        return (
            self.rule == rule
            and self.pbx in (None, pbx)
            and (self.device is None or self.device in (str(device_id), mac))
        )


def load_waivers(project: Path) -> list[Waiver]:
    """The waivers of a project, in the order of the file; none without a file. Raises SettingsError."""
    file = shown_path(project, FILE)
    given = read_settings(project, FILE)
    entries = given.pop("waiver", [])
    if given or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        what = f"'{next(iter(given))}' is not known here" if given else "'waiver' is no list of tables"
        raise SettingsError(file, what, "Begin every waiver with [[waiver]]")
    return [_waiver(file, number, entry) for number, entry in enumerate(entries, start=1)]


def _waiver(file: str, number: int, entry: Mapping[str, Any]) -> Waiver:
    def wrong(what: str, do: str) -> SettingsError:
        return SettingsError(f"{file}, waiver {number}", what, do)

    for key in entry:
        if key not in _KEYS:
            raise wrong(f"'{key}' is not known", suggestion(key, _KEYS))
    texts = {key: _text(entry.get(key)) for key in ("rule", "pbx", "device", "reason")}
    for key, text in texts.items():
        if (key in entry or key in ("rule", "reason")) and text is None:
            raise wrong(f"'{key}' is missing, empty or no text", f'Write {key} = "…"')
    rule, reason = texts["rule"] or "", texts["reason"] or ""
    known = [one.id for one in rules()]
    if rule not in known:
        raise wrong(f"there is no rule '{rule}'", suggestion(rule, known))
    device = normal_mac(texts["device"]) if texts["device"] else None
    try:
        expires = _day(entry.get("expires"))
    except ValueError as error:
        raise wrong(f"'expires' is {error}", "Write a day such as expires = 2027-03-31") from error
    return Waiver(number, rule, reason, texts["pbx"], device, expires)


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value.strip() or None if isinstance(value, str) else None


def _day(value: Any) -> date | None:
    """A TOML date, the same as text, or nothing."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"'{value}', no day") from None
    if value is None or type(value) is date:
        return value
    raise ValueError("no day")
