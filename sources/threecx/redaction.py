"""Secrets of phones, which never leave the reader: removed by name, at most a keyed fingerprint stays."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import unicodedata
from functools import lru_cache
from typing import Any

__all__ = ["fingerprint_of", "is_secret"]

_ANYWHERE = re.compile(r"passw|passphrase|passcode|pwd|secret|token|auth|credential|sipid")
"""A name with one of these in it is secret. Signs between the letters do not count."""

_WORDS = re.compile(r"(?<![A-Z])(?:PIN|KEY|LINK)(?![A-Z])|[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORD = re.compile(
    r".*(pin|key|link)s?"  # also glued to another word: apikey, provlink
    r"|(pin|key|link)s?(code|data|file|hash|id|material|number|no|text|url|value)s?"
)
_NO_SECRET_WORD = re.compile(r".*(donkey|hockey|jockey|monkey|turkey|whiskey|blink|chopin|hairpin|spin|shrink)s?")
"""English words that end the same way, but name no secret."""


def is_secret(name: str) -> bool:
    """Whether a property of this name is a secret, wherever the API puts it. When in doubt it is.

    Some parts count anywhere in a name: `WebPassword`, `AuthID`, `sip_id`. *pin*, *key* and *link* count as words of a
    name, as in `PhonePIN`, `prov_link` and `API-Key`, but not in `MappingId`, `ShippingAddress` and `Monkey`.
    """
    return _is_secret(name) if len(name) <= _LONG_NAME else _is_secret.__wrapped__(name)


_LONG_NAME = 200
"""Longer names are not remembered."""


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    # Full-width letters and the like read as the plain ones.
    plain = unicodedata.normalize("NFKC", name)
    if _ANYWHERE.search("".join(c for c in plain.lower() if c.isalnum())):
        return True
    # Without invisible characters, which could split a word.
    visible = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    words = [word.lower() for word in _WORDS.findall(visible)]
    return any(_SECRET_WORD.fullmatch(word) and not _NO_SECRET_WORD.fullmatch(word) for word in words)


def fingerprint_of(secret: Any, key: bytes | None) -> str | None:
    """First 16 hex digits of HMAC-SHA-256; None without a key or for an empty secret."""
    if key is None or secret == "":
        return None
    text = secret if isinstance(secret, str) else json.dumps(secret, sort_keys=True)
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:16]
