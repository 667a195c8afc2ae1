"""Which devices of a list are meant: by text, vendor, model, firmware, or state. Pure: a row in, yes or no out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["DeviceFilter"]

_SEARCHED = ("dn_number", "dn_name", "mac", "vendor", "model", "firmware_version", "ip_address", "sbc_name", "dn_tags")
_MAC_PART = re.compile(r"[0-9a-f]{2}([:.-]?[0-9a-f]{2})+")
_OUTDATED = ("firmware_outdated", "firmware_version", "firmware_available")


@dataclass(frozen=True)
class DeviceFilter:
    """Every condition that is given has to hold. Case and accents do not matter, nor how a MAC address is spelled."""

    search: str | None = None
    """Part of an extension, name, MAC, vendor, model, firmware, address, SBC or tag."""
    vendor: str | None = None
    """The whole vendor, or a pattern such as `yea*`; the same for model and firmware."""
    model: str | None = None
    firmware: str | None = None
    online: bool | None = None
    outdated: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at."""
        return (
            *(_SEARCHED if self.search else ()),
            *(column for column, pattern in self._patterns() if pattern),
            *(("online",) if self.online is not None else ()),
            *(_OUTDATED if self.outdated else ()),
        )

    def test(self) -> Callable[[Mapping[str, Any]], bool]:
        """Whether a row, columns by name, is meant."""
        needle = folded(self.search or "")
        mac = re.sub("[:.-]", "", needle) if _MAC_PART.fullmatch(needle) else None
        patterns = [(column, folded(pattern)) for column, pattern in self._patterns() if pattern]

        def is_meant(row: Mapping[str, Any]) -> bool:
            if needle and not (
                any(needle in folded(str(row[name])) for name in _SEARCHED if row[name] is not None)
                or (mac and mac in folded(row["mac"] or ""))
            ):
                return False
            if not all(fnmatchcase(folded(row[column] or ""), pattern) for column, pattern in patterns):
                return False
            if self.online is not None and row["online"] is not self.online:
                return False
            return not self.outdated or is_outdated(row)

        return is_meant

    def _patterns(self) -> tuple[tuple[str, str | None], ...]:
        return ("vendor", self.vendor), ("model", self.model), ("firmware_version", self.firmware)


def is_outdated(row: Mapping[str, Any]) -> bool:
    """The PBX says so, or offers another firmware than the one that runs."""
    if row["firmware_outdated"] is not None:
        return bool(row["firmware_outdated"])
    available = row["firmware_available"] or ""
    return available.lower() not in ("", "false") and available != row["firmware_version"]


def folded(text: str) -> str:
    """Without case and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c))
