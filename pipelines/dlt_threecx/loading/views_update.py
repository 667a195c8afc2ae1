"""The views of a destination, made those of this release after a load."""

from __future__ import annotations

import hashlib

from dlt_threecx.destinations.base import Destination
from dlt_threecx.loading.work_folder import WorkFolder
from dlt_threecx.views.dictionary import wanted_comments
from dlt_threecx.views.views import view_texts

__all__ = ["update_views", "views_digest"]


def update_views(destination: Destination, work: WorkFolder, digest: str | None) -> list[str]:
    """Creates or replaces the views that are not those of this release; returns what could not be made.

    To compare every view takes a third of a second. When the database reported them, by their `digest`, as it did after
    the last comparison by this release, nothing is compared.
    """
    if work.views is not None and work.views == digest:
        return []
    problems = destination.create_views()
    if not problems and (after := views_digest(destination)) is not None:
        work.remember_views(after)
    return problems


def views_digest(destination: Destination) -> str | None:
    """A hash of the views as the database reports them and as this release wants them; None when it reports none."""
    reported = destination.reported_views()
    if reported is None:
        return None
    return hashlib.sha256(repr((reported, view_texts(), wanted_comments())).encode()).hexdigest()
