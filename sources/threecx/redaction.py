"""Secrets, which never leave the reader: removed by name, at most a keyed fingerprint stays."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

__all__ = ["SECRET_NAME", "fingerprint_of", "without_secrets"]


SECRET_NAME = re.compile("password|secret|token|pin|key|link", re.IGNORECASE)
"""A property whose name holds one of these is a secret, wherever the API puts it."""


def without_secrets(value: Any) -> Any:
    """The value without properties that are secrets by name, at any depth."""
    if isinstance(value, dict):
        return {name: without_secrets(v) for name, v in value.items() if not SECRET_NAME.search(name)}
    if isinstance(value, list):
        return [without_secrets(v) for v in value]
    return value


def fingerprint_of(secret: Any, key: bytes | None) -> str | None:
    """First 16 hex digits of HMAC-SHA-256; None without a key or for an empty secret."""
    if key is None or secret == "":
        return None
    text = secret if isinstance(secret, str) else json.dumps(secret, sort_keys=True)
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:16]
