"""One text for one JSON value: what is stored, compared and hashed is the same text."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from .redaction import is_secret

__all__ = ["canonical", "canonical_text", "shown_name"]

MAX_DEPTH = 64
"""A property of a real device is nested two or three levels deep."""
MAX_NAME_CHARS = 200
"""A longer name is cut."""

_EXACT = 2**53
"""Below this a double holds every whole number."""


def canonical(value: Any, depth: int = 0) -> Any:
    """The value without secrets. Values that mean the same become equal; an empty one becomes None.

    An empty text is null, a property that is null is left out, a list is sorted, and 1.0 is 1.
    Raises RecursionError for a value that is nested deeper than MAX_DEPTH.
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, float):
        return int(value) if abs(value) < _EXACT and value.is_integer() else value
    if not isinstance(value, dict | list):
        return value
    if depth == MAX_DEPTH:
        raise RecursionError
    if isinstance(value, list):
        return sorted((canonical(inner, depth + 1) for inner in value), key=canonical_text)
    inners = ((name, canonical(inner, depth + 1)) for name, inner in value.items() if not is_secret(name))
    return {name: inner for name, inner in inners if inner is not None}


def canonical_text(value: Any) -> str:
    """A canonical value as JSON: sorted names, no spaces, no escapes that are not needed."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def shown_name(name: str) -> str:
    """The name of a property in a path such as `Registrar.MAC`. Different names stay different.

    A name with a dot stands in brackets. Characters that could steer a terminal are written as `\\u001b`.
    """
    if name.isidentifier() and len(name) <= MAX_NAME_CHARS:
        return name
    shown = "".join(c if c.isprintable() and c != "\\" else _escape(c) for c in name)
    if len(shown) > MAX_NAME_CHARS:
        digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        shown = f"{shown[:MAX_NAME_CHARS]}…{digest}"
    return f"[{shown}]" if "." in shown else shown


def _escape(char: str) -> str:
    return "\\\\" if char == "\\" else f"\\u{ord(char):04x}"
