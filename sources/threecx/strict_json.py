"""JSON without what a destination cannot store: NaN, doubled names, halves of characters."""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["DuplicateKeyError", "json_fault", "strict_json"]


MAX_DEPTH = 250
"""A normal answer is about six levels deep. Deeper nesting can make other programs fail."""


class DuplicateKeyError(ValueError):
    """A JSON object names a property twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise DuplicateKeyError
    return result


def strict_json(text: str) -> Any:
    """The value of a JSON text, fit for any destination.

    Raises ValueError for NaN, Infinity and doubled names, RecursionError for a value nested deeper than MAX_DEPTH.
    """
    value = _DECODER.decode(text)
    _check_depth(value, MAX_DEPTH)
    return _storable(value) if _UNSTORABLE_ESCAPE.search(text) else value


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise RecursionError
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, dict | list):
            _check_depth(inner, left - 1)


def _storable(value: Any) -> Any:
    """The value with U+FFFD for what Arrow and PostgreSQL cannot store: halves of surrogate pairs, and NUL."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, dict):
        return _object([(_storable(name), _storable(inner)) for name, inner in value.items()])
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_finite, parse_float=_finite)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


# UTF-8 itself holds no surrogates, and JSON no bare NUL: they can only come as escapes.
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def json_fault(error: Exception) -> str:
    """What is wrong with a JSON text, for a message."""
    if isinstance(error, DuplicateKeyError):
        return "a property stands twice in one object"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "cut off or malformed"
