"""Guards: checks that stop a complete but suspicious reading until an operator accepts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dlt_threecx.errors import RefusedError

__all__ = ["GUARDS", "RESTORED", "Facts", "Objection", "clock_objections", "objections", "refusal", "restored_refusal"]

RESTORED = "restored"
"""The guard of the history itself: it stops a run before anything is read."""

GUARDS: dict[str, str] = {
    "identity": "another PBX under the same name: another FQDN, or another base_url where no FQDN is known",
    "scope": "filter or search is not that of the last complete snapshot",
    "empty": "no devices, where the last complete snapshot has some",
    "shrink": "more devices would go than the limits max_removed_percent and max_removed_devices allow",
    "clock": "this machine's clock is not that of the PBX, or lies before the last snapshot, by max_clock_skew_minutes",
    RESTORED: "the history is not the one that the last sync from this folder left",
}
"""Name → what the guard stops."""


@dataclass(frozen=True)
class Facts:
    """What the guards compare: a reading, and the last complete snapshot of the same PBX."""

    pbx: str
    base_url: str
    previous_base_url: str
    fqdn: str | None
    previous_fqdn: str | None
    scope: tuple[str | None, str | None]
    previous_scope: tuple[str | None, str | None]
    devices: int
    previous_devices: int
    removed: int
    max_removed_percent: float
    max_removed_devices: int


@dataclass(frozen=True)
class Objection:
    """A guard that stops a reading, and why."""

    guard: str
    why: str


def clock_objections(skew: timedelta | None, behind: timedelta | None, limit: timedelta) -> Iterator[Objection]:
    """The guard `clock`, also of a first snapshot.

    `skew` is how far the PBX's clock is ahead of this machine's, None when it named no time; `behind` is how far the
    reading lies before the last attempt, None when there is none.
    """
    if skew is not None and abs(skew) > limit:
        ahead = "behind" if skew > timedelta() else "ahead of"
        yield Objection("clock", f"the clock of this machine is {_minutes(skew)} {ahead} that of the PBX")
    elif behind is not None and behind > limit:
        yield Objection("clock", f"the clock of this machine is {_minutes(behind)} before the last attempt")


def _minutes(time: timedelta) -> str:
    return f"{abs(time).total_seconds() / 60:.0f} min"


def objections(facts: Facts) -> Iterator[Objection]:
    """All guards that stop a reading."""
    # A PBX keeps its FQDN when it moves to another address.
    names = (facts.fqdn, facts.previous_fqdn)
    now, before = (facts.base_url, facts.previous_base_url) if None in names else names
    if now != before:
        yield Objection("identity", f"{now} was read, but its history is that of {before}")
    if facts.scope != facts.previous_scope:
        yield Objection("scope", f"{_scope(facts.scope)}, but the last snapshot had {_scope(facts.previous_scope)}")
    if facts.devices == 0 and facts.previous_devices > 0:
        yield Objection("empty", f"it has no devices, but the last snapshot had {facts.previous_devices}")
        return
    percent = 100 * facts.removed / facts.previous_devices if facts.previous_devices else 0.0
    if facts.removed > facts.max_removed_devices and percent > facts.max_removed_percent:
        yield Objection(
            "shrink",
            f"{facts.removed} of {facts.previous_devices} devices would go ({percent:.0f} %, "
            f"the limit is {facts.max_removed_percent:g} %)",
        )


def refusal(pbx: str, refusing: Sequence[Objection]) -> RefusedError:
    """What the operator is told about the guards, at least one, that refuse a reading."""
    accept = " ".join(f"--accept {objection.guard}" for objection in refusing)
    return RefusedError(
        f"snapshot of PBX '{pbx}'",
        "; ".join(f"refused by the guard '{objection.guard}': {objection.why}" for objection in refusing),
        f"Nothing was written to the history. Look with: threecx list --pbx {pbx}; if it is right, run: "
        f'threecx sync --pbx {pbx} {accept} --because "why it is right"',
    )


def restored_refusal(where: str, why: str) -> RefusedError:
    """What the operator is told when the history is not the one that it was."""
    return RefusedError(
        f"history in {where}",
        why,
        "Nothing was read or written. Look with: threecx verify. If a backup was restored, or this is a new history on "
        f'purpose, run: threecx sync --accept {RESTORED} --because "why it is right"',
    )


def _scope(scope: tuple[str | None, str | None]) -> str:
    filter_, search = scope
    parts = [f"filter {filter_!r}" if filter_ else "", f"search {search!r}" if search else ""]
    return " and ".join(part for part in parts if part) or "no filter"
