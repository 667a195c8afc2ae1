"""Sends to each receiver what is news for it. The cursor of a receiver moves only after delivery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.findings.waivers import load_waivers
from dlt_threecx.notify.cursor import Cursors, cursors_held, load_cursors, save_cursors
from dlt_threecx.notify.facts import PbxFacts, read_changes, read_facts
from dlt_threecx.notify.message import message
from dlt_threecx.notify.news import PbxNews, Rules, baseline, pbx_news
from dlt_threecx.notify.receivers import Receiver, apprise_receivers
from dlt_threecx.settings.config import Config, RunConfig
from dlt_threecx.source.errors import ThreecxError

__all__ = ["announce", "announce_after_sync"]

_log = logging.getLogger(__name__)


def announce(
    receivers: Sequence[Receiver],
    opened: Callable[[], AbstractContextManager[History]],
    folder: Path,
    project: Path,
    run: RunConfig,
    *,
    pbxs: Collection[str] = (),
    each: bool = False,
    keeps_cursor: bool = False,
) -> list[str]:
    """Sends the news about these PBXs, or about all of the history; returns the names of the receivers not reached.

    `folder` holds the cursors. `each` makes a message of its own for every PBX. The history is closed before anything
    is sent. With `keeps_cursor` the same news is news again next time.
    """
    now = datetime.now(UTC)
    rules = Rules(run.notify_attempts, timedelta(hours=run.notify_max_age_hours))
    files = [folder / f"{receiver.key}.json" for receiver in receivers]
    undelivered: list[str] = []
    with cursors_held(folder):
        with opened() as history:
            known = {row[0] for row in history.rows("select pbx from pbx_status")[1]}
            facts = read_facts(history, known.union(pbxs), run.notify_severity, load_waivers(project), now.date())
            begun = {one.pbx: baseline(one, now) for one in facts}
            facts = [one for one in facts if not pbxs or one.pbx in pbxs]
            cursors = [load_cursors(file, begun) for file in files]
            news = [list(_news(history, facts, before, now, rules)) for before in cursors]
        for receiver, file, before, new in zip(receivers, files, cursors, news, strict=True):
            delivered = _delivered(receiver, new, project, each=each)
            if len(delivered) < len(new):
                undelivered.append(receiver.name)
            elif any(one.changes for one in new):
                delivered = [replace(one, after=replace(one.after, digest_at=now)) for one in delivered]
            if not keeps_cursor:
                save_cursors(file, {**before, **{one.pbx: one.after for one in delivered}})
    return undelivered


def announce_after_sync(config: Config, location: HistoryLocation, folder: Path) -> None:
    """Sends the news about the PBXs of a run. What goes wrong is logged: it does not change how the run ends."""
    try:
        receivers = apprise_receivers(config.run.notify)
        for name in announce(
            receivers, partial(open_history, location), folder, config.project, config.run, pbxs=list(config.pbxs)
        ):
            _log.warning("%s was not reached; its news waits for the next run. Try: threecx notify --test", name)
    except (ThreecxError, OSError) as error:
        _log.warning("no news was sent: %s", error)


def _news(
    history: History, facts: Sequence[PbxFacts], cursors: Cursors, now: datetime, rules: Rules
) -> Iterator[PbxNews]:
    since = {pbx: one.changes_until for pbx, one in cursors.items() if one.changes_until is not None}
    changes = read_changes(history, {one.pbx: since[one.pbx] for one in facts if one.pbx in since})
    for one in facts:
        yield pbx_news(one, changes.get(one.pbx, ()), cursors.get(one.pbx), now, rules)


def _delivered(receiver: Receiver, news: Sequence[PbxNews], project: Path, *, each: bool) -> list[PbxNews]:
    """The news that arrived, and all that is none; nothing more is sent after a message that did not arrive."""
    done = [one for one in news if one.is_empty]
    for batch in _batches([one for one in news if not one.is_empty], each=each):
        if not receiver.deliver(message(batch, project)):
            break
        done += batch
    return done


def _batches(news: Sequence[PbxNews], *, each: bool) -> Iterator[list[PbxNews]]:
    """What goes into one message."""
    if each:
        yield from ([one] for one in news)
    elif news:
        yield list(news)
