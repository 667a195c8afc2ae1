"""The functions that an OData expression may call, with the types of their arguments and results."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

__all__ = ["FUNCTIONS", "Function"]


class Function(NamedTuple):
    """`takes` lists every parameter; those beyond `required` may be left away. Null in, null out."""

    takes: tuple[str, ...]
    gives: str
    call: Callable[..., Any]
    required: int


def _function(takes: str, gives: str, call: Callable[..., Any], required: int | None = None) -> Function:
    types = tuple(f"Edm.{name}" for name in takes.split())
    return Function(types, f"Edm.{gives}", call, len(types) if required is None else required)


def _substring(text: str, start: int, length: int | None = None) -> str:
    return text[start:] if length is None else text[start : start + length]


FUNCTIONS = {
    "concat": _function("String String", "String", lambda one, other: one + other),
    "contains": _function("String String", "Boolean", lambda text, part: part in text),
    "endswith": _function("String String", "Boolean", str.endswith),
    "indexof": _function("String String", "Int32", str.find),
    "length": _function("String", "Int32", len),
    "matchesPattern": _function("String String", "Boolean", lambda text, part: bool(re.search(part, text))),
    "startswith": _function("String String", "Boolean", str.startswith),
    "substring": _function("String Int32 Int32", "String", _substring, required=2),
    "tolower": _function("String", "String", str.lower),
    "toupper": _function("String", "String", str.upper),
    "trim": _function("String", "String", str.strip),
    "ceiling": _function("Double", "Double", math.ceil),
    "floor": _function("Double", "Double", math.floor),
    "round": _function("Double", "Double", round),
    "year": _function("DateTimeOffset", "Int32", lambda at: at.year),
    "month": _function("DateTimeOffset", "Int32", lambda at: at.month),
    "day": _function("DateTimeOffset", "Int32", lambda at: at.day),
    "hour": _function("DateTimeOffset", "Int32", lambda at: at.hour),
    "minute": _function("DateTimeOffset", "Int32", lambda at: at.minute),
    "second": _function("DateTimeOffset", "Int32", lambda at: at.second),
    "now": _function("", "DateTimeOffset", lambda: datetime.now(UTC)),
}
