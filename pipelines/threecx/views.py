"""The views: one SQL file each, with the device columns filled in from `tables.py`."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.threecx.findings import filled
from pipelines.threecx.tables import DEVICE_COLUMNS

__all__ = ["MACROS", "VIEWS", "category", "view_purpose", "view_statements"]

VIEWS = (
    "complete_snapshots",
    "devices",
    "device_history",
    "device_changes",
    "device_snapshots",
    "daily_inventory",
    "pbx_status",
    "findings",
)
"""In the order in which they have to be created."""

MACROS = ("devices_as_of",)
"""Views with a parameter, `at_time`, as DuckDB has them. They look for the views in the current schema."""

_SQL = Path(__file__).parent / "sql"
_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_COLUMNS = re.compile(r"\{columns:(\w+)\}")
_PREVIOUS = re.compile(r"\{previous:(\w+)\}")

_CATEGORIES = {
    "identity": ("mac", "vendor", "model"),
    "network": ("ip_address",),
    "firmware": ("user_agent", "template_model", "model_mismatch"),
    "presence": ("online",),
}


def category(field: str) -> str:
    """What kind of change a change of this device column is."""
    for name, fields in _CATEGORIES.items():
        if field in fields:
            return name
    if field.endswith("_fp"):
        return "secret"
    if "firmware" in field:
        return "firmware"
    return "placement" if field.startswith(("dn_", "sbc_")) else "other"


def view_statements(schema: str = "") -> list[str]:
    """Statements that create all views, or replace them; names are in `schema`, or in the current one.

    DuckDB looks for unqualified names in the schema of the view, so the file may be renamed or attached.
    """
    prefix = f"{schema}." if schema else ""
    views = [f"create or replace view {prefix}{name} as\n{_text(name, prefix)}" for name in VIEWS]
    macros = [f"create or replace macro {prefix}{name}(at_time) as table\n{_text(name, prefix)}" for name in MACROS]
    return views + macros


def view_purpose(name: str) -> str:
    """What the first line of a view's file says: `one row per …`."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()[0].removeprefix("-- ")


def _text(name: str, prefix: str) -> str:
    text = filled((_SQL / f"{name}.sql").read_text(encoding="utf-8"))
    text = _COLUMNS.sub(lambda found: ", ".join(f"{found[1]}.{column}" for column in _NAMES), text)
    text = _PREVIOUS.sub(
        lambda found: ", ".join(f"lag({found[1]}.{column}) over device as old_{column}" for column in _NAMES), text
    )
    return (
        text.replace("{schema}", prefix)
        .replace("{fields}", " union all ".join(f"select '{n}' as field, '{category(n)}' as category" for n in _NAMES))
        .replace("{old_values}", " ".join(f"when c.field = '{n}' then {_as_text(f'c.old_{n}', n)}" for n in _NAMES))
        .replace("{new_values}", " ".join(f"when c.field = '{n}' then {_as_text(f'c.{n}', n)}" for n in _NAMES))
    )


def _as_text(value: str, name: str) -> str:
    kind = next(column.type for column in DEVICE_COLUMNS if column.name == name)
    return value if kind == "text" else f"cast({value} as varchar)"
