"""Which SIP devices a 3CX has, since when, and what changed: read completely, kept as history, answered with SQL.

The names below are the public API; everything else may change. Each is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt_threecx.api import HistoryTables, PbxResult, Run, open_history, pbx_names, sync
    from dlt_threecx.errors import DestinationError, RefusedError
    from dlt_threecx.source.errors import (
        CredentialsError,
        DriftError,
        ExitCode,
        ProtocolError,
        QueryError,
        SettingsError,
        ThreecxError,
        UnreachableError,
    )

__all__ = [
    "CredentialsError",
    "DestinationError",
    "DriftError",
    "ExitCode",
    "HistoryTables",
    "PbxResult",
    "ProtocolError",
    "QueryError",
    "RefusedError",
    "Run",
    "SettingsError",
    "ThreecxError",
    "UnreachableError",
    "open_history",
    "pbx_names",
    "sync",
]

_OF_API = {"HistoryTables", "PbxResult", "Run", "open_history", "pbx_names", "sync"}
_OF_ERRORS = {"DestinationError", "RefusedError"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "api" if name in _OF_API else "errors" if name in _OF_ERRORS else "source.errors"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
