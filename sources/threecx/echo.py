"""Finds our API key or token in the words of a server that sends it back, whole or in part, plain or encoded."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_plus

__all__ = ["holds_secret"]

LONG_PART_CHARS = 8
"""A part of a secret with this many characters must not be shown."""
SHORT_PART_CHARS = 6
"""Nor a part with this many, unless it is all letters: six letters may be an ordinary word."""
_ROUNDS = 2
"""An encoding inside another is found up to this depth."""

_BACKSLASH = re.compile(r"\\(?:u\{?([0-9a-fA-F]{2,6})\}?|x([0-9a-fA-F]{2}))")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:-]?){4,}")
_SPACES = re.compile(r"\s+")


def holds_secret(text: str, secrets: Sequence[str]) -> bool:
    """Whether a part of a secret stands in the text, in any case, forwards or backwards, whatever hides it.

    Looks through percent signs, HTML entities, escapes with a backslash, base64 and hex.
    """
    lower = {secret.lower() for secret in secrets}
    short = [secret for secret in lower if len(secret) <= SHORT_PART_CHARS]
    # A token has a thousand characters, a text mostly ten: its parts are looked for in the secrets, not theirs in it.
    long = "\0".join(secret for secret in lower if len(secret) > SHORT_PART_CHARS)
    for plain in {decoded.lower() for decoded in _decodings(text)} if lower else ():
        if any(secret in plain for secret in short) or any(part in long for part in _telling_parts(plain)):
            return True
    return False


def _telling_parts(text: str) -> Iterator[str]:
    """The parts that would tell something if a secret had them."""
    for size in (SHORT_PART_CHARS, LONG_PART_CHARS):
        for start in range(len(text) - size + 1):
            part = text[start : start + size]
            if size == LONG_PART_CHARS or not part.isalpha():
                yield part


def _decodings(text: str) -> set[str]:
    """The text, and what it says when it is decoded."""
    found = {text}
    for _ in range(_ROUNDS):
        found |= {decoded for one in found for decoded in _decoded(one)}
    return found


def _decoded(text: str) -> Iterator[str]:
    yield text[::-1]
    yield unquote_plus(text, errors="replace")
    yield html.unescape(text)
    yield _BACKSLASH.sub(lambda found: chr(min(int(found[1] or found[2], 16), 0x10FFFF)), text)
    yield _SPACES.sub("", text)
    for run in _BASE64.findall(text):
        plain = run.replace("-", "+").replace("_", "/")
        # A part that was cut out of a longer text may begin at any of four places.
        for start in range(4):
            yield from _bytes_text(_from_base64(plain[start:]))
    for run in _HEX.findall(text):
        digits = re.sub(r"[\s:-]", "", run)
        yield from _bytes_text(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _from_base64(run: str) -> bytes:
    whole = run[: len(run) // 4 * 4] if len(run) % 4 == 1 else run + "=" * (-len(run) % 4)
    try:
        return base64.b64decode(whole)
    except binascii.Error:
        return b""


def _bytes_text(content: bytes) -> Iterator[str]:
    if content:
        yield content.decode("latin-1")
