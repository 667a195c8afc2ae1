"""The three shapes in which 3CX releases have served a SipDevice, and how a row looks in each."""

from collections.abc import Mapping
from typing import Any

from dlt_threecx.simulator.fleet.new_device import Row
from dlt_threecx.simulator.fleet.phone_models import GROUPS
from dlt_threecx.simulator.schema import SHAPES, TYPES

__all__ = ["served", "served_dn"]

_NEWEST = TYPES[SHAPES[-1]]


def served(row: Row, shape: str) -> Row:
    """The row as JSON shows it in this shape, without `DN`: nulls left out, unknown properties kept."""
    hidden = {"DN", *(_NEWEST["Pbx.SipDevice"].keys() - TYPES[shape]["Pbx.SipDevice"].keys())}
    out = {name: value for name, value in row.items() if value is not None and name not in hidden}
    if row.get("Registrar") is not None:
        out["Registrar"] = _registrar(row, shape)
    return out


def served_dn(row: Row, with_groups: bool = False) -> Row | None:
    """The row's `DN` as `$expand=DN` shows it; `MemberOf` needs an expand of its own."""
    dn: Mapping[str, Any] | None = row.get("DN")
    if dn is None:
        return None
    out = {name: value for name, value in dn.items() if value is not None}
    if with_groups:
        out.setdefault("MemberOf", _groups(dn))
    return out


def _registrar(row: Row, shape: str) -> Row:
    hidden = (
        _NEWEST["Pbx.PhoneRegistrar"].keys()
        - TYPES["20.0.4" if shape == "early" else shape]["Pbx.PhoneRegistrar"].keys()
    )
    registrar: Row = row["Registrar"]
    out = {name: value for name, value in registrar.items() if value is not None and name not in hidden}
    inside = {"early": ("PhoneWebPassword", "ProvLink"), "later": ("ProvLink",)}.get(shape, ())
    for name in inside:
        if row.get(name) is not None:
            out.setdefault(name, row[name])
    if shape == "later":
        out["FirmwareAvailable"] = bool(registrar.get("FirmwareAvailable"))
    return out


def _groups(dn: Mapping[str, Any]) -> list[Row]:
    if dn.get("Type") != "Extension":
        return []
    chosen = int(dn["Id"]) % len(GROUPS)
    return [
        {
            "GroupID": 28 + chosen,
            "Name": GROUPS[chosen],
            "Number": f"GRP{chosen:04}",
            "RoleName": "users",
            "IsPrimary": True,
        }
    ]
