"""The archive that has what was before a history begins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from dlt_threecx.destinations.base import History
from dlt_threecx.queries.sql_query import SqlQuery

__all__ = ["PastArchive", "past_archive"]


class PastArchive(NamedTuple):
    """The name of a file, and the last attempt in it."""

    name: str
    ends_at: datetime


def past_archive(history: History, pbx: Sequence[str]) -> PastArchive | None:
    """The archive of these PBXs that is not read together with the history; None when nothing was put away."""
    query = SqlQuery(("taken_at", "detail"), "snapshots").where("status = 'join'").among("pbx", pbx)
    ends = [(taken_at, detail) for taken_at, detail in history.rows(query.sql, query.params)[1] if taken_at]
    if not ends:
        return None
    ends_at, detail = max(ends)
    try:
        return PastArchive(str(json.loads(detail)["archive"]), ends_at)
    except (ValueError, KeyError, TypeError):
        # Somebody has changed it: verify tells.
        return PastArchive("of unknown name", ends_at)
