"""The two tables of the history: their columns, types and what each means.

`snapshots` is the ledger, one row per attempt and PBX; `device_versions` only ever grows, one row per device and
snapshot in which it changed. Everything else is a view over these two.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from dlt_threecx.source.columns import COLUMNS

__all__ = [
    "CATEGORIES",
    "CHANGES",
    "DATASET",
    "DEVICE_COLUMNS",
    "LEDGER",
    "LOADS",
    "TABLES",
    "VERSIONS",
    "Category",
    "Change",
    "Status",
    "TableColumn",
    "category",
    "dlt_hints",
    "finished_loads",
]

DATASET = "threecx"
LOADS = "_dlt_loads"
"""dlt's own table of finished packages: a snapshot counts once its package stands there with status 0."""

Status = Literal["complete", "refused", "failed", "archived", "join"]
"""An attempt, and after `threecx archive` two more: `archived` is a snapshot of which only the versions stay that the
devices of today need, and `join` is where the history goes on after the archive."""
Change = Literal["added", "changed", "removed", "returned", "refreshed", "rebaselined"]
CHANGES: tuple[Change, ...] = get_args(Change)
"""The kinds of versions; the ledger has a count of each, under the same name."""

SqlType = Literal["text", "bigint", "double", "bool", "timestamp"]


Category = Literal["identity", "placement", "firmware", "network", "presence", "secret", "lifecycle", "other"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
"""The kinds of changes; `lifecycle` is a device that was added, removed or came back."""


class TableColumn(NamedTuple):
    """One column: its name, dlt type and meaning. Keys are never null."""

    name: str
    type: SqlType
    meaning: str
    key: bool = False
    category: Category = "other"
    """Of a device column: what kind of change a change of it is."""


_SQL_TYPES: dict[str, SqlType] = {
    "text": "text",
    "json": "text",
    "secret": "text",
    "integer": "bigint",
    "boolean": "bool",
    "time": "timestamp",
}

_CATEGORIES: dict[Category, tuple[str, ...]] = {
    "identity": ("mac", "vendor", "model"),
    "network": ("ip_address",),
    "firmware": (
        *("firmware_version", "firmware_available", "firmware_category", "firmware_latest_id", "firmware_outdated"),
        *("assigned_firmware", "custom_firmware", "user_agent", "template_model", "model_mismatch"),
    ),
    "placement": (
        *("dn_id", "dn_number", "dn_name", "dn_type", "dn_hidden", "dn_tags"),
        *("sbc_name", "sbc_display_name"),
    ),
    "presence": ("online",),
    "secret": ("phone_web_password_fp", "prov_link_fp", "interface_link_fp"),
}
_COLUMN_CATEGORIES = {name: category for category, names in _CATEGORIES.items() for name in names}


def _device_column(name: str, kind: str, meaning: str) -> TableColumn:
    return TableColumn(name, _SQL_TYPES[kind], meaning, category=_COLUMN_CATEGORIES.get(name, "other"))


DEVICE_COLUMNS: tuple[TableColumn, ...] = (
    *(_device_column(column.name, column.type, column.meaning) for column in COLUMNS),
    TableColumn("extra", "text", "JSON: properties without a column of their own, secrets by name removed"),
)
"""The device columns, in the order of a row; `device_id` goes before them."""

VERSIONS: tuple[TableColumn, ...] = (
    TableColumn("pbx", "text", "name of the PBX in the settings", key=True),
    TableColumn("device_id", "bigint", "`Id` of the device in its PBX", key=True),
    TableColumn("snapshot_id", "text", "the snapshot that saw this version first", key=True),
    TableColumn("observed_at", "timestamp", "when that snapshot was taken"),
    TableColumn("change", "text", "added, changed, removed, returned, refreshed or rebaselined"),
    TableColumn("row_version", "text", "SHA-256 of all device columns"),
    TableColumn("tracked_version", "text", "SHA-256 of the device columns without the volatile ones"),
    TableColumn("changed_fields", "text", "JSON list: the columns that really changed, `extra.Name` in extra"),
    *DEVICE_COLUMNS,
)

LEDGER: tuple[TableColumn, ...] = (
    TableColumn("pbx", "text", "name of the PBX in the settings", key=True),
    TableColumn("snapshot_id", "text", "names the attempt; sorts by time", key=True),
    TableColumn("base_url", "text", "address that was read"),
    TableColumn(
        "status",
        "text",
        "complete, refused or failed; archived: only versions that are still needed are here; join: an archive ends",
    ),
    TableColumn("reason", "text", "why it was refused or failed, in one word"),
    TableColumn("detail", "text", "the same in a sentence; of a join, JSON: what the archive has"),
    TableColumn("started_at", "timestamp", "begin of the attempt"),
    TableColumn("taken_at", "timestamp", "the moment the snapshot stands for; null without one"),
    TableColumn("duration_seconds", "double", "length of the reading"),
    TableColumn("devices", "bigint", "devices in the snapshot"),
    TableColumn("reported_count", "bigint", "`@odata.count` of the PBX"),
    TableColumn("pages", "bigint", "pages of the proven walk"),
    TableColumn("requests", "bigint", "requests for pages in all walks"),
    TableColumn("walks", "bigint", "walks that it took"),
    TableColumn("page_size", "bigint", "devices per page"),
    TableColumn("consistency", "text", "once or twice"),
    TableColumn("filter", "text", "`$filter` of the reading"),
    TableColumn("search", "text", "`$search` of the reading"),
    TableColumn("added", "bigint", "devices never seen before"),
    TableColumn("changed", "bigint", "devices in which a tracked field changed"),
    TableColumn("removed", "bigint", "devices that are gone"),
    TableColumn("returned", "bigint", "devices that are back"),
    TableColumn("refreshed", "bigint", "devices in which only volatile fields changed"),
    TableColumn(
        "rebaselined", "bigint", "devices stored again because the API, the key or the format changed, not the phone"
    ),
    TableColumn("accepted", "text", "checks that were overruled with --accept, comma-separated"),
    TableColumn("because", "text", "the reason given for it"),
    TableColumn("pbx_version", "text", "version of the PBX: `X-3CX-Version`, or `Version` of its system parameters"),
    TableColumn("pbx_fqdn", "text", "FQDN of the PBX, as it said last at this address; null where it never did"),
    TableColumn(
        "shape",
        "text",
        "JSON: property path to JSON type, everything ever seen on this PBX up to here; null where it is as before",
    ),
    TableColumn("row_format", "bigint", "number of the format that row_version is made in"),
    TableColumn("fingerprint_key_id", "text", "names the key behind the *_fp columns; null without one"),
    TableColumn("fingerprint", "text", "additive hash of all devices of the snapshot, 32 hex digits"),
    TableColumn("previous_snapshot_id", "text", "the complete snapshot that it was compared with"),
    TableColumn("previous_root", "text", "`root` of the run before; of several, comma-separated, when workers met"),
    TableColumn("root", "text", "SHA-256 that binds this run, with all PBXs in it, to the runs before"),
    TableColumn("chain", "text", "SHA-256 of the previous row's chain and this row"),
)

TABLES: dict[str, tuple[TableColumn, ...]] = {"snapshots": LEDGER, "device_versions": VERSIONS}


def finished_loads(schema: str) -> str:
    """SQL: the ids of the packages that dlt has loaded completely; `schema` is a prefix such as `threecx.`."""
    return f"(select l.load_id from {schema}{LOADS} l where l.status = 0)"  # noqa: S608  a constant


def dlt_hints(columns: tuple[TableColumn, ...]) -> dict[str, Any]:
    """The columns as dlt wants them."""
    return {column.name: {"data_type": column.type, "nullable": not column.key} for column in columns}


_CATEGORY_OF = {column.name: column.category for column in DEVICE_COLUMNS}


def category(field: str) -> Category:
    """What kind of change a change of this device column, or of `extra.Name`, is."""
    return _CATEGORY_OF.get(field, "other")
