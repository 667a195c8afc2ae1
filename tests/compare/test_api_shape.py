"""What counts as a move of the API: pure, shapes in and paths out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.compare.api_shape import ABSENT, BASELINE, merged, moved

TYPES = st.sampled_from(["string", "integer", "boolean", "array", "object", "boolean|string"])
PATHS = st.sampled_from([*BASELINE, "Online", "HotDesking", "Registrar.Id", "Registrar.SbcName", "Category", "New"])
SHAPES = st.dictionaries(PATHS, TYPES, max_size=12)

LATER = {"Online": "boolean", "Category": "string", "Registrar.FirmwareAvailable": "boolean"}


def test_what_20_0_4_serves_is_no_news() -> None:
    assert moved({}, BASELINE) == frozenset()
    assert moved({}, {"Registrar.MAC": "string", "DN.Tags": "array"}) == frozenset()


def test_secrets_may_sit_in_either_place() -> None:
    assert moved({}, {"Registrar.PhoneWebPassword": "string", "Registrar.ProvLink": "string"}) == frozenset()
    assert moved({}, {"PhoneWebPassword": "string", "ProvLink": "string"}) == frozenset()


def test_a_new_property_has_moved_once() -> None:
    assert moved({}, {"Online": "boolean"}) == {"Online"}
    assert moved(merged({}, {"Online": "boolean"}), {"Online": "boolean"}) == frozenset()


def test_another_type_has_moved_once() -> None:
    seen = {"Registrar.FirmwareAvailable": "boolean"}
    assert moved({}, seen) == {"Registrar.FirmwareAvailable"}
    assert moved(merged({}, seen), seen) == frozenset()


def test_a_property_that_is_left_out_is_no_news() -> None:
    known = merged({}, {**BASELINE, "AssignedFirmware": "string", "Online": "boolean"})
    assert moved(known, {"Online": "boolean"}) == frozenset()
    assert merged(known, {"Online": "boolean"}) == known


def test_without_its_booleans_an_api_has_gone_back() -> None:
    known = merged({}, LATER)
    assert moved(known, {"Registrar.MAC": "string"}) == LATER.keys()
    back = merged(known, {"Registrar.MAC": "string"})
    assert (back["Online"], back["Category"]) == (ABSENT, ABSENT)
    assert moved(back, {"Registrar.MAC": "string"}) == frozenset()


def test_after_going_back_a_text_is_no_news() -> None:
    back = merged(merged({}, LATER), {"Registrar.MAC": "string"})
    assert back["Registrar.FirmwareAvailable"] == "string"
    assert moved(back, {"Registrar.FirmwareAvailable": "string"}) == frozenset()
    assert moved(back, LATER) == LATER.keys()


def test_no_devices_say_nothing_about_the_shape() -> None:
    known = merged({}, LATER)
    assert moved(known, {}) == frozenset()
    assert merged(known, {}) == known


@given(SHAPES, SHAPES)
def test_the_same_shape_twice_moves_nothing(known: dict[str, str], seen: dict[str, str]) -> None:
    kept = merged(known, seen)
    assert moved(kept, seen) == frozenset()
    assert merged(kept, seen) == kept


@given(SHAPES, SHAPES)
def test_only_what_is_served_or_was_served_can_move(known: dict[str, str], seen: dict[str, str]) -> None:
    assert moved(known, seen) <= known.keys() | seen.keys()
    assert known.keys() | seen.keys() == merged(known, seen).keys()
