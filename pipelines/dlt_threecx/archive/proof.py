"""Whether what stayed of an archived time is what the archive has."""

from __future__ import annotations

from collections.abc import Iterator

from dlt_threecx.archive.kept import kept_keys
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.joined_files import JoinedFiles, Meeting
from dlt_threecx.tables import LEDGER, VERSIONS

__all__ = ["meeting_problems"]

_VERSION_NAMES = ", ".join(f"t.{column.name}" for column in VERSIONS)
_ROW_NAMES = ", ".join(f't."{column.name}"' for column in LEDGER if column.name not in ("root", "previous_root"))


def meeting_problems(history: History) -> Iterator[str]:
    """A line for each place where two files meet that do not belong together; none for a history in one place."""
    if not isinstance(history, JoinedFiles):
        return
    for meeting in history.meetings:
        for what, sql in (("versions", _versions(meeting)), ("attempts", _attempts(meeting))):
            [[different]] = history.rows(f"select count(*) from ({sql})")[1]  # noqa: S608  constants
            if different:
                yield f"{different} {what} from before the join are not what the archive has"


def _versions(meeting: Meeting) -> str:
    """Those that stayed and the archive has not, and those that should have stayed and did not."""
    stayed = f"select distinct {_VERSION_NAMES} from {meeting.later}.device_versions t {_old(meeting)}"  # noqa: S608
    log = "select distinct v.pbx, v.device_id, v.snapshot_id, v.change, v.online from {0}.device_versions v"
    keys = kept_keys(log.format(meeting.earlier))
    wanted = f"""
        select distinct {_VERSION_NAMES} from {meeting.earlier}.device_versions t
        join ({keys}) k on k.pbx = t.pbx and k.device_id = t.device_id and k.snapshot_id = t.snapshot_id
    """  # noqa: S608  constants
    return f"(({stayed}) except ({wanted})) union all (({wanted}) except ({stayed}))"


def _attempts(meeting: Meeting) -> str:
    stayed = f"select distinct {_ROW_NAMES} from {meeting.later}.snapshots t {_old(meeting)} and t.status <> 'archived'"  # noqa: S608
    return f"({stayed}) except (select distinct {_ROW_NAMES} from {meeting.earlier}.snapshots t)"  # noqa: S608


def _old(meeting: Meeting) -> str:
    return (
        f"join {meeting.later}.snapshots j on j.status = 'join' and j.pbx = t.pbx and t.snapshot_id < j.snapshot_id"
        " where true"
    )
