"""Checks that stop a complete but suspicious reading, unless an operator says why it is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dlt_threecx.compare.decide import SyncResult
from dlt_threecx.compare.guards import GUARDS, Facts, Objection, objections, refusal, restored_refusal
from dlt_threecx.simulator import Fleet, Simulator
from tests.rig import FirstSyncs, Rig, assert_sound, counts, rigs


@pytest.fixture
def rig(tmp_path: Path, first_syncs: FirstSyncs) -> Iterator[Rig]:
    """A PBX with 40 devices that was read once."""
    yield from first_syncs.rigs(tmp_path / "guarded", devices=40, seed=5)


def facts(**given: object) -> Facts:
    """Facts to which nobody objects, but for those given."""
    calm = {
        "pbx": "hq",
        "base_url": "https://a",
        "previous_base_url": "https://a",
        "fqdn": None,
        "previous_fqdn": None,
        "scope": (None, None),
        "previous_scope": (None, None),
        "devices": 100,
        "previous_devices": 100,
        "removed": 0,
        "max_removed_percent": 20.0,
        "max_removed_devices": 5,
    }
    return Facts(**(calm | given))  # type: ignore[arg-type]


def objecting(**given: object) -> list[str]:
    return [objection.guard for objection in objections(facts(**given))]


def assert_refused(rig: Rig, result: SyncResult, *guards: str) -> None:
    """Refused with a row that says so, and nothing else was written."""
    row = rig.ledger()[-1]
    assert (result.exit_code, row["status"], row["reason"]) == (6, "refused", guards[0])
    assert rig.changes(row["snapshot_id"]) == []
    words = str(result.error)
    assert row["detail"] == words + ("" if words.endswith(".") else ".")
    assert words.startswith("snapshot of PBX 'default': refused by the guard '")
    accept = " ".join(f"--accept {guard}" for guard in guards)
    assert words.endswith(f'threecx sync --pbx default {accept} --because "why it is right"')
    assert "Nothing was written to the history" in words
    assert (row["added"], row["removed"], row["accepted"], row["because"]) == (None, None, None, None)
    assert_sound(rig)


def remove(rig: Rig, number: int) -> None:
    for device in rig.fleet.ids()[:number]:
        rig.fleet.remove(device)


def test_nobody_objects_to_a_calm_reading() -> None:
    assert objecting() == []


def test_shrink_needs_both_limits_to_be_passed() -> None:
    assert objecting(removed=20) == []
    assert objecting(removed=21) == ["shrink"]
    assert objecting(previous_devices=10, removed=5) == []
    assert objecting(previous_devices=10, removed=6) == ["shrink"]
    assert objecting(removed=100, max_removed_percent=100) == []
    assert objecting(previous_devices=0, removed=0) == []
    assert objecting(previous_devices=500, removed=101) == ["shrink"]
    assert objecting(previous_devices=0, removed=6, max_removed_percent=0) == []


def test_shrink_counts_those_that_go_whoever_comes() -> None:
    assert objecting(devices=100, previous_devices=100, removed=50) == ["shrink"]


def test_empty_speaks_for_shrink_too() -> None:
    assert objecting(devices=0, removed=100) == ["empty"]
    assert objecting(devices=0, previous_devices=0) == []
    assert objecting(devices=0, previous_devices=1) == ["empty"]


def test_scope_and_identity_compare_with_the_last_snapshot() -> None:
    assert objecting(base_url="https://b") == ["identity"]
    assert objecting(scope=("Id gt 5", None)) == ["scope"]
    assert objecting(scope=(None, "ada")) == ["scope"]
    assert objecting(scope=("Id gt 5", None), previous_scope=("Id gt 5", None)) == []
    assert objecting(base_url="https://b", scope=(None, "x"), removed=60) == ["identity", "scope", "shrink"]


def test_a_pbx_is_known_by_its_fqdn_and_by_its_address_where_it_has_told_none() -> None:
    assert objecting(base_url="https://b", fqdn="a.3cx.eu", previous_fqdn="a.3cx.eu") == []
    assert objecting(fqdn="b.3cx.eu", previous_fqdn="a.3cx.eu") == ["identity"]
    for unknown in ({"fqdn": "a.3cx.eu"}, {"previous_fqdn": "a.3cx.eu"}):
        assert objecting(**unknown) == []
        assert objecting(base_url="https://b", **unknown) == ["identity"]
    (other,) = objections(facts(fqdn="b.3cx.eu", previous_fqdn="a.3cx.eu"))
    assert other.why == "b.3cx.eu was read, but its history is that of a.3cx.eu"


def test_an_objection_says_what_it_compared() -> None:
    whole, part, both = (None, None), ("Id gt 5", None), ("Id gt 5", "ada")
    (narrowed,) = objections(facts(scope=part, previous_scope=whole))
    assert narrowed.why == "filter 'Id gt 5', but the last snapshot had no filter"
    (searched,) = objections(facts(scope=(None, "ada"), previous_scope=both))
    assert searched.why == "search 'ada', but the last snapshot had filter 'Id gt 5' and search 'ada'"
    (moved,) = objections(facts(base_url="https://b"))
    assert moved.why == "https://b was read, but its history is that of https://a"
    (shrunk,) = objections(facts(removed=90))
    assert shrunk.why == "90 of 100 devices would go (90 %, the limit is 20 %)"


def test_a_refusal_names_every_guard_and_the_command_that_accepts_them() -> None:
    words = str(refusal("hq", [Objection("scope", "no filter"), Objection("shrink", "9 of 9 would go")]))
    assert words.startswith(
        "snapshot of PBX 'hq': refused by the guard 'scope': no filter; refused by the guard 'shrink'"
    )
    assert words.endswith('threecx sync --pbx hq --accept scope --accept shrink --because "why it is right"')


def test_a_restored_history_is_refused_with_the_command_that_accepts_it() -> None:
    words = str(restored_refusal("phones.duckdb", "its head is another one"))
    assert words.startswith("history in phones.duckdb: its head is another one. Nothing was read or written.")
    assert words.endswith('threecx sync --accept restored --because "why it is right"')


def test_every_guard_is_named() -> None:
    assert list(GUARDS) == ["identity", "scope", "empty", "shrink", "clock", "restored"]


def test_a_pbx_that_says_it_is_empty_is_refused_until_accepted(rig: Rig) -> None:
    remove(rig, 40)
    assert_refused(rig, rig.sync(), "empty")
    assert len(rig.devices()) == 40
    result = rig.sync(["empty"], "the site was closed")
    assert (result.exit_code, counts(result)) == (0, {"removed": 40})
    row = rig.ledger()[-1]
    assert (row["accepted"], row["because"], row["devices"]) == ("empty", "the site was closed", 0)
    assert rig.devices() == {}
    assert counts(rig.sync()) == {}
    rig.fleet.restore(next(iter(rig.fleet.gone)))
    assert counts(rig.sync()) == {"returned": 1}
    assert_sound(rig)


def test_a_fleet_that_shrinks_too_much_is_refused_until_accepted(rig: Rig) -> None:
    remove(rig, 8)
    assert counts(rig.sync()) == {"removed": 8}
    remove(rig, 7)
    assert_refused(rig, rig.sync(), "shrink")
    assert "7 of 32 devices would go (22 %, the limit is 20 %)" in rig.ledger()[-1]["detail"]
    assert counts(rig.sync(max_removed_percent=25.0)) == {"removed": 7}
    assert_sound(rig)


def test_the_limits_are_settings(rig: Rig) -> None:
    remove(rig, 3)
    assert_refused(rig, rig.sync(max_removed_percent=5.0, max_removed_devices=2), "shrink")
    assert counts(rig.sync(max_removed_percent=5.0, max_removed_devices=3)) == {"removed": 3}


def test_another_filter_is_refused_until_accepted(rig: Rig) -> None:
    narrow = {"filter": "DN/Type ne 'Fax'"}
    assert_refused(rig, rig.sync(**narrow), "scope")
    result = rig.sync(["scope"], "faxes go to another team", **narrow)
    assert (result.exit_code, set(counts(result))) == (0, {"removed"})
    assert counts(rig.sync(**narrow)) == {}
    assert_refused(rig, rig.sync(search="Yealink", **narrow), "scope", "shrink")
    assert_refused(rig, rig.sync(), "scope")
    assert_sound(rig)


def test_another_address_is_refused_until_accepted(rig: Rig, tmp_path: Path) -> None:
    for other in rigs(tmp_path / "elsewhere", Fleet(devices=40, seed=6)):
        other.project, other.db = rig.project, rig.db
        assert_refused(other, other.sync(), "identity")
        result = other.sync(["identity"], "moved to another host")
        assert (result.exit_code, other.ledger()[-1]["accepted"]) == (0, "identity")
        assert other.ledger()[-1]["base_url"] == other.simulator.base_url
        assert other.sync().exit_code == 0
    assert_refused(rig, rig.sync(), "identity")


_SYSTEM = "/xapi/v1/Defs/Pbx.GetSystemParameters()"


def test_the_same_pbx_at_a_new_address_is_no_other(rig: Rig) -> None:
    with Simulator(rig.fleet) as moved:
        there = Rig(rig.project, rig.fleet, moved)
        assert (there.sync().exit_code, counts(there.sync())) == (0, {})
        assert there.ledger()[-1]["base_url"] == moved.base_url
        # Its name is asked for where it may be another one, and not each time.
        assert [request.path for request in moved.requests].count(_SYSTEM) == 1
    assert_sound(rig)


@pytest.mark.parametrize("version_header", [True, False])
def test_another_pbx_behind_the_same_address_is_refused_until_accepted(tmp_path: Path, version_header: bool) -> None:
    for rig in rigs(tmp_path / "one", Fleet(devices=9, seed=5), version_header=version_header):
        assert rig.sync().row.pbx_fqdn == "pbx-5.3cx.example"
        pbx = rig.simulator.pbxs[""]
        pbx.fqdn = "other.3cx.example"
        if version_header:
            rig.fleet.shape = "later"
        assert_refused(rig, rig.sync(), "identity")
        assert "other.3cx.example was read, but its history is that of pbx-5.3cx.example" in rig.ledger()[-1]["detail"]
        assert rig.sync(["identity"], "it was renamed").row.pbx_fqdn == "other.3cx.example"
        assert rig.sync().exit_code == 0


def test_a_pbx_that_stops_to_name_itself_is_the_one_at_its_address(rig: Rig) -> None:
    rig.simulator.pbxs[""].fqdn = None
    rig.fleet.shape = "later"
    assert (rig.sync().row.pbx_fqdn, rig.sync().exit_code) == ("pbx-5.3cx.example", 0)
    with Simulator(rig.fleet) as moved:
        moved.pbxs[""].fqdn = None
        there = Rig(rig.project, rig.fleet, moved)
        assert_refused(there, there.sync(), "identity")
        assert there.sync(["identity"], "moved").row.pbx_fqdn is None


def test_several_guards_are_named_together_and_accepted_together(rig: Rig, tmp_path: Path) -> None:
    for other in rigs(tmp_path / "elsewhere", Fleet(devices=8, seed=6)):
        other.project, other.db = rig.project, rig.db
        filter_ = {"filter": "Id gt 0"}
        assert_refused(other, other.sync(**filter_), "identity", "scope", "shrink")
        half = other.sync(["scope"], "half an answer", **filter_)
        assert (half.exit_code, half.row.reason, half.row.accepted) == (6, "identity", "scope")
        whole = other.sync(["shrink", "scope", "identity"], "all of it", **filter_)
        assert (whole.exit_code, whole.row.accepted, whole.row.because) == (0, "identity,scope,shrink", "all of it")
        assert_sound(other)


def test_what_was_accepted_in_vain_is_not_recorded(rig: Rig) -> None:
    result = rig.sync(["empty", "shrink"], "just in case")
    assert (result.exit_code, result.row.accepted, result.row.because) == (0, None, None)


def test_a_refused_reading_is_not_what_the_next_is_compared_with(rig: Rig) -> None:
    first = rig.ledger()[-1]["snapshot_id"]
    gone = rig.fleet.ids()[:20]
    remove(rig, 20)
    refused = rig.sync()
    assert refused.row.previous_snapshot_id == first
    for device in gone:
        rig.fleet.restore(device)
    calm = rig.sync()
    assert (counts(calm), calm.row.previous_snapshot_id) == ({}, first)
