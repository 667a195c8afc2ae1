"""JSON as the simulator sends it."""

from __future__ import annotations

import json

__all__ = ["compact"]


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def compact(value: object) -> bytes:
    """JSON as the simulator sends it: UTF-8, no blanks; halves of surrogate pairs as escapes."""
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
