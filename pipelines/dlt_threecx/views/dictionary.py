"""What tables, views and their columns mean, in words; the columns that the views share with the tables are told there.

`docs/data-dictionary.md` is made of it (`make docs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlt_threecx.tables import LEDGER, TABLES, VERSIONS
from dlt_threecx.views.views import MACROS, VIEWS, view_purpose

__all__ = ["RELATIONS", "VIEW_COLUMNS", "Comment", "changed_comments", "column_meaning", "purpose", "wanted_comments"]

RELATIONS = (*TABLES, *VIEWS, *MACROS)
"""Every table, view and macro that people may ask, in the order in which they are explained."""

_TABLE_PURPOSES = {
    "snapshots": "the ledger: one row per attempt to read a PBX, also of those that were refused or failed",
    "device_versions": "the log: one row per device and snapshot in which it changed",
}

_DLT_COLUMNS = {
    "_dlt_load_id": "the package of dlt that brought the row; it counts once `_dlt_loads` has it with status 0",
    "_dlt_id": "random id that dlt adds",
}

_SNAPSHOT = {"snapshot_id": "names the snapshot; sorts by time", "taken_at": "the moment the snapshot stands for"}

VIEW_COLUMNS: dict[str, dict[str, str]] = {
    "complete_snapshots": _SNAPSHOT
    | {"is_archived": "whether it is in an archive, and only versions that are still needed are here"},
    "device_snapshots": _SNAPSHOT,
    "devices_as_of": _SNAPSHOT,
    "devices": {
        "first_seen_at": "the first snapshot that had the device; null when that is in an archive",
        "last_changed_at": "the last snapshot in which it was added, changed or came back",
        "last_confirmed_at": "the latest complete snapshot of its PBX",
        "versions": "versions it has had so far, rebaselined ones included and archived ones not",
    },
    "device_history": {
        "valid_from": "the snapshot from which the device was so",
        "valid_to": "the snapshot in which it was something else, or gone; null while it is so",
        "is_current": "whether it is so now",
        "opened_by": "what began it: added, changed, returned or rebaselined",
        "closed_by": "what ended it: changed, removed or rebaselined; null while it lasts",
    },
    "device_changes": {
        "changed_at": "the snapshot that saw the change first",
        "changed_on": "the day of that, in UTC",
        "update_id": "the same for all fields that changed together: one per device and snapshot",
        "is_initial_load": "whether it is from the first snapshot of the PBX, in which every device is added",
        "change": "added, changed, removed, returned or refreshed",
        "field": "the column that changed, `extra.Name` in extra; null when the device was added, removed or came back",
        "category": "identity, placement, firmware, network, presence, secret, other; lifecycle when field is null",
        "old_value": "its value before, as text",
        "new_value": "its value from then on, as text",
    },
    "calendar": {
        "day": "the day, in UTC",
        "is_today": "whether the day is not over yet",
    },
    "daily_inventory": {
        "day": "the day, in UTC: every day from the first complete snapshot of the PBX to today",
        "devices": "devices of this vendor, model and firmware in the last complete snapshot up to the end of the day",
        "is_carried": "whether that snapshot is of an earlier day, because this one has none",
    },
    "daily_changes": {
        "day": "the day of the change, in UTC",
        "category": "what kind of change, as in device_changes",
        "is_initial_load": "whether it is from the first snapshot of the PBX, in which every device is added",
        "devices": "devices that changed in this way, each once",
        "fields": "fields that changed; 0 for devices that were added, removed or came back",
    },
    "pbx_status": {
        "last_attempt_at": "begin of the last attempt",
        "last_status": "its result: complete, refused or failed",
        "last_reason": "why it was refused or failed, in one word",
        "last_detail": "the same in a sentence",
        "last_complete_at": "the latest complete snapshot",
        "last_snapshot_id": "names that snapshot",
        "devices": "devices in that snapshot",
        "changes_24h": "devices added, changed, removed and returned in the last 24 hours, each time counted",
        "changes_7d": "the same in the last 7 days",
        "pbx_version": "`X-3CX-Version` in the last attempt",
        "chain": "head of the chain: what `threecx verify --head` can be given later",
    },
    "findings": {
        "rule": "id of the rule",
        "title": "the rule in a few words",
        "severity": "how much it matters: high, medium, low or info",
        "severity_rank": "the same as a number to sort by: 1 is high, 4 is info",
        "device_id": "`Id` of the device in its PBX; null when it is about the whole PBX",
        "detail": "what was found, in a sentence",
        "since": "since when it is so, as far as the history knows",
        "why": "why it matters",
        "what_to_do": "what to do about it",
    },
}
"""View or macro → column → meaning, where a view's column is not simply one of a table."""

_SHARED = {column.name: column.meaning for column in (*LEDGER, *VERSIONS)} | _DLT_COLUMNS


def purpose(relation: str) -> str:
    """What the rows of a table, view or macro are."""
    return _TABLE_PURPOSES.get(relation) or view_purpose(relation)


def column_meaning(relation: str, column: str) -> str:
    """What a column of a table, view or macro holds. KeyError when nobody has said it yet."""
    if relation in TABLES:
        own = {known.name: known.meaning for known in TABLES[relation]} | _DLT_COLUMNS
        return own[column]
    return VIEW_COLUMNS.get(relation, {}).get(column) or _SHARED[column]


class Comment(NamedTuple):
    """The comment on a table, view, macro or column, as the destination has it."""

    relation: str
    column: str | None
    """None for the comment on the relation itself."""
    text: str | None


def changed_comments(there: Sequence[Comment]) -> list[Comment]:
    """The comments that are to be written: those that differ from what this dictionary says."""
    wanted = [Comment(relation, column, _comment(relation, column)) for relation, column, _ in there]
    return [comment for comment, old in zip(wanted, there, strict=True) if comment.text not in (None, old.text)]


def wanted_comments() -> list[Comment]:
    """All comments that this release writes on tables, views and macros, and all meanings of columns."""
    return [
        *(Comment(relation, None, _comment(relation, None)) for relation in RELATIONS),
        *(Comment(view, column, text) for view, columns in VIEW_COLUMNS.items() for column, text in columns.items()),
        *(Comment("", column, text) for column, text in _SHARED.items()),
    ]


def _comment(relation: str, column: str | None) -> str | None:
    """Without the backticks of Markdown; None for a column that is not ours."""
    try:
        text = purpose(relation) if column is None else column_meaning(relation, column)
    except KeyError:
        return None
    return text.replace("`", "")
