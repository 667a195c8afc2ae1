"""A change in words: `ip_address: 10.0.0.1 → 10.0.0.2`, or `another web password`."""

from __future__ import annotations

from typing import Any

__all__ = ["told_change", "told_values"]

_SECRETS = {
    "phone_web_password_fp": "web password",
    "prov_link_fp": "provisioning link",
    "interface_link_fp": "link to the web page",
}
"""Columns that hold a fingerprint only: its digits say nothing to anybody."""


def told_change(field: str, old: Any, new: Any) -> str:
    """The column and both values."""
    return told_values(field, old, new) if field in _SECRETS else f"{field}: {told_values(field, old, new)}"


def told_values(field: str, old: Any, new: Any) -> str:
    """Both values; of a secret only that it is another one, or came or went."""
    if field in _SECRETS:
        kind = "a first" if old in (None, "") else "no more" if new in (None, "") else "another"
        return f"{kind} {_SECRETS[field]}"
    return f"{_text(old)} → {_text(new)}"


def _text(value: Any) -> str:
    return "–" if value in (None, "") else str(value)
