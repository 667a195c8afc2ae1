"""What dlt reads from the environment when it is imported."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dlt_threecx.settings.toml_files import read_settings

__all__ = ["quieten_dlt"]


def quieten_dlt(project: Path) -> None:
    """Settings that dlt reads when it is imported; what the user has set in the environment stays.

    Telemetry is off unless the project's own config.toml turns it on.
    """
    os.environ.setdefault("DLT_PROJECT_DIR", str(project))
    # What dlt logs of a failed load is its traceback; our own error says what went wrong.
    level = "ERROR" if logging.getLogger().isEnabledFor(logging.DEBUG) else "CRITICAL"
    os.environ.setdefault("RUNTIME__LOG_LEVEL", level)
    os.environ.setdefault("LOAD__DELETE_COMPLETED_JOBS", "true")
    if "dlthub_telemetry" not in read_settings(project, "config.toml").get("runtime", {}):
        os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
