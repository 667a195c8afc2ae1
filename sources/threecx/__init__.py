"""Reads all SIP devices of a 3CX phone system through its Configuration API, completely or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .source import threecx_source

__all__ = ["threecx_source"]


def __getattr__(name: str) -> Any:
    """Imports dlt only when the source is asked for: it takes a second that commands without dlt need not wait."""
    if name == "threecx_source":
        from .source import threecx_source

        return threecx_source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
