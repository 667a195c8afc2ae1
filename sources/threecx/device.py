"""One `SipDevices` row of the API as one row of columns, its secrets removed.

What has no column of its own, or not the type of its column, goes into `extra`. Left out are:

- secrets: properties whose name says so (`redaction.py`), at any depth;
- OData's own annotations: properties with `@` in their name;
- nulls and empty texts, which mean the same as a property that is missing (the API leaves nulls out);
- digits of a time below the microsecond.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from types import NoneType
from typing import Any

from .canonical import canonical, canonical_text, shown_name
from .columns import COLUMNS, Column, ColumnType
from .errors import ProtocolError
from .page import Item
from .redaction import fingerprint_of, is_secret

__all__ = ["MAX_PROPERTIES", "DeviceReader", "normal_mac"]

MAX_PROPERTIES = 2000
"""The API has about forty; each one seen is kept in every row of the ledger."""

_TYPE_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_PYTHON_TYPES = {"text": str, "boolean": bool, "integer": int}
"""Column types whose values can be taken over as they are."""
_NOT_HEX = re.compile(r"[\s:.\-]")
_HEX12 = re.compile(r"[0-9A-Fa-f]{12}")
_PLAIN_MAC = re.compile(r"[0-9A-F]{12}")

_PATHS = tuple((column, *path.rpartition(".")[::2]) for column in COLUMNS for path in (column.path, *column.later))
"""(column, parent object or "", property) for every place that a column's value may come from."""

_KNOWN = {
    "": frozenset({"Id", "DN", "Registrar", *(name for _, parent, name in _PATHS if not parent)}),
    "DN": frozenset(name for _, parent, name in _PATHS if parent == "DN"),
    "Registrar": frozenset(name for _, parent, name in _PATHS if parent == "Registrar"),
}
_OBJECT_OR_NOTHING = {dict, NoneType}
_INT64 = range(-(2**63), 2**63)

Extras = list[Item | None]


class DeviceReader:
    """Turns rows of the API into columns, a page at a time: a column of one type costs one look, not one per value.

    `shape` collects what it has met: property path → JSON type (`string`, `integer`, …; `boolean|string` when rows
    differ). `witnesses` has, for each path and type of the last page, the number of the first row that has it. Secrets
    leave a keyed fingerprint when there is a key, else nothing.
    """

    def __init__(self, fingerprint_key: str | None = None) -> None:
        self.shape: dict[str, str] = {}
        self.witnesses: dict[tuple[str, str], int] = {}
        self._key = fingerprint_key.encode() if fingerprint_key else None

    def columns(self, items: list[Item]) -> list[list[Any]]:
        """`[device_id, *COLUMNS, extra]`, each as long as there are items.

        Raises ProtocolError when a device cannot be read.
        """
        self.witnesses = {}
        try:
            columns = self._columns(items)
        except RecursionError as error:
            raise _unreadable(items, "one holds a property that is nested too deeply") from error
        if len(self.shape) > MAX_PROPERTIES:
            raise _unreadable(items, f"the PBX has named more than {MAX_PROPERTIES} different properties")
        return columns

    def _columns(self, items: list[Item]) -> list[list[Any]]:
        extras: Extras = [None] * len(items)
        objects = {"": items, "DN": self._objects("DN", items, extras)}
        objects["Registrar"] = self._objects("Registrar", items, extras)
        present = {parent: set[str]().union(*rows) for parent, rows in objects.items()}
        columns: dict[str, list[Any]] = {}
        nothing: list[Any] = [None] * len(items)
        for column, parent, name in _PATHS:
            values = nothing
            if name in present[parent]:
                values = self._values(column, parent, name, objects[parent], extras)
            before = columns.get(column.name)
            if before is not None and before is not nothing:
                # Another place for the same thing: the first place that has it wins.
                values = [new if old is None else old for old, new in zip(before, values, strict=True)]
            columns[column.name] = values
        for parent, rows in objects.items():
            unknown = present[parent] - _KNOWN[parent]
            for number, row in enumerate(rows if unknown else ()):
                self._read_unknown(parent, unknown & row.keys(), row, number, extras)
        extra = [None if e is None else canonical_text(e) for e in extras]
        return [[item["Id"] for item in items], *columns.values(), extra]

    def _objects(self, name: str, items: list[Item], extras: Extras) -> list[Item]:
        """The inner objects of that name; where something else stands, it is kept as extra."""
        values = [item.get(name) for item in items]
        if not set(map(type, values)) <= _OBJECT_OR_NOTHING:
            for number, value in enumerate(values):
                if value is not None and not isinstance(value, dict):
                    self._note(name, value, number)
                    _keep(extras, number, name, value)
                    values[number] = None
        return [value or {} for value in values]

    def _values(self, column: Column, parent: str, name: str, objects: list[Item], extras: Extras) -> list[Any]:
        values = [item.get(name) for item in objects]
        kinds = set(map(type, values))
        kinds.discard(NoneType)
        if not kinds:
            return values
        path = f"{parent}.{name}" if parent else name
        for kind in kinds:
            number = next(number for number, value in enumerate(values) if type(value) is kind)
            self._note(path, values[number], number)
        if kinds == {_PYTHON_TYPES.get(column.type)} and not (kinds == {int} and _is_too_large(values)):
            if "" in values:
                values = [None if value == "" else value for value in values]
            return [value and normal_mac(value) for value in values] if column.name == "mac" else values
        if column.type == "json" and kinds == {list}:
            return [None if value is None else _list_text(value) for value in values]
        if column.type == "secret" and self._key is None:
            return [None] * len(values)
        return [
            None if value is None else self._value(column, path, value, number, extras)
            for number, value in enumerate(values)
        ]

    def _value(self, column: Column, path: str, value: Any, number: int, extras: Extras) -> Any:
        """A value that needs conversion; what cannot be converted without loss is kept as extra."""
        if column.type == "secret":
            return fingerprint_of(value, self._key)
        converted = _converted(column.type, value)
        if converted is None and not (value == [] and column.type == "json"):
            _keep(extras, number, path, value)
        return normal_mac(converted) if column.name == "mac" and converted is not None else converted

    def _read_unknown(self, parent: str, names: Iterable[str], row: Item, number: int, extras: Extras) -> None:
        for name in names:
            value = row[name]
            # Names with @ are OData's own annotations.
            if value is None or "@" in name:
                continue
            path = f"{parent}.{shown_name(name)}" if parent else shown_name(name)
            self._note(path, value, number)
            if not is_secret(name):
                _keep(extras, number, path, value)

    def _note(self, path: str, value: Any, number: int) -> None:
        kind, known = _TYPE_NAMES[type(value)], self.shape.get(path)
        self.witnesses.setdefault((path, kind), number)
        if known is None:
            self.shape[path] = kind
        elif kind not in known.split("|"):
            self.shape[path] = "|".join(sorted({*known.split("|"), kind}))


def _unreadable(items: list[Item], fault: str) -> ProtocolError:
    return ProtocolError(
        f"GET /xapi/v1/SipDevices, devices with Id {items[0]['Id']} to {items[-1]['Id']}",
        fault,
        "Nothing was loaded. Report this with the PBX's version",
    )


def _keep(extras: Extras, number: int, path: str, value: Any) -> None:
    kept = canonical(value)
    if kept is None:
        return
    extra = extras[number]
    if extra is None:
        extra = extras[number] = {}
    extra[path] = kept


def _is_too_large(values: list[int | None]) -> bool:
    numbers = [value for value in values if value is not None]
    return min(numbers) not in _INT64 or max(numbers) not in _INT64


def normal_mac(text: str) -> str:
    """Twelve upper-case hex digits; a text that is no MAC address stays as it is."""
    if _PLAIN_MAC.fullmatch(text):
        return text
    digits = _NOT_HEX.sub("", text)
    return digits.upper() if _HEX12.fullmatch(digits) else text


def _converted(column_type: ColumnType, value: Any) -> Any:
    """A value of another JSON type than its column's, where nothing is lost by it; else None."""
    kind = type(value)
    if column_type == "text":
        return (value or None) if kind is str else None if kind in (list, dict) else json.dumps(canonical(value))
    if column_type == "json" and kind is list:
        return _list_text(value)
    if column_type == "integer" and kind in (int, float) and value == value // 1 and int(value) in _INT64:
        return int(value)
    if column_type == "boolean" and kind is bool:
        return value
    if column_type == "time" and kind is str:
        try:
            time = datetime.fromisoformat(value)
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    return None


def _list_text(values: list[Any]) -> str | None:
    """A sorted list as JSON; None when it is empty. The same few lists recur in all devices."""
    if len(values) <= _FEW and all(type(value) is str and len(value) <= _SHORT for value in values):
        return _remembered_text(tuple(values))
    return canonical_text(canonical(values)) if values else None


_FEW, _SHORT = 20, 40
"""Lists of at most this many texts, and texts of at most this many characters, are remembered."""


@lru_cache(maxsize=10_000)
def _remembered_text(values: tuple[str, ...]) -> str | None:
    return canonical_text(canonical(list(values))) if values else None
