"""A fleet that changes while it is read, and the record of what it was at each moment."""

from dlt_threecx.simulator import Fleet, Simulator
from tests.simulator.client import Client


def walk(fleet: Fleet, rate: float, top: int = 10) -> list[list[int]]:
    """The Ids of each page of a plain walk."""
    pages: list[list[int]] = []
    with Simulator(fleet, changes_per_request=rate) as simulator:
        client = Client(simulator).authorize()
        while not pages or pages[-1]:
            pages.append(client.ids(top=top, skip=top * len(pages), orderby="Id"))
    return pages


def test_the_fleet_stands_still_unless_asked_to_move() -> None:
    fleet = Fleet(60, record=True)
    pages = walk(fleet, 0)
    assert [one for page in pages for one in page] == fleet.ids()
    assert len(fleet.states) == 1


def test_every_page_is_one_recorded_state() -> None:
    fleet = Fleet(60, seed=2, record=True)
    pages = walk(fleet, 2.0)
    states = [sorted(state) for state in fleet.states]
    for number, page in enumerate(pages):
        assert any(state[10 * number : 10 * number + 10] == page for state in states)
    assert len(states) > 5
    assert states[-1] == fleet.ids()


def test_changes_add_at_the_end_use_low_ids_again_take_away_and_edit() -> None:
    fleet = Fleet(60, seed=2, record=True)
    first = fleet.states[0]
    walk(fleet, 20.0)
    states = fleet.states
    assert any(max(later) > max(first) for later in states)
    assert any(min(later.keys() - first.keys(), default=max(first)) < max(first) for later in states)
    assert first.keys() - states[-1].keys()
    assert any(first[one] != states[-1][one] for one in first.keys() & states[-1].keys())


def test_a_plain_walk_over_a_moving_fleet_loses_devices_that_were_there_all_the_time() -> None:
    lost = 0
    for seed in range(30):
        fleet = Fleet(60, seed=seed, record=True)
        seen = {one for page in walk(fleet, 1.0) for one in page}
        lost += bool(fleet.always_there() - seen)
    assert 0 < lost < 30


def test_the_same_seed_moves_the_same_way() -> None:
    one, same = Fleet(60, seed=9, record=True), Fleet(60, seed=9, record=True)
    assert walk(one, 3.0) == walk(same, 3.0)
    assert one.states == same.states


def test_a_day_is_one_state_and_recording_can_start_over() -> None:
    fleet = Fleet(200, record=True)
    fleet.next_day()
    assert len(fleet.states) == 2
    fleet.update(fleet.ids()[0], {"Online": None})
    assert len(fleet.states) == 3
    fleet.start_recording()
    assert fleet.states == [{row["Id"]: row for row in fleet.rows()}]
    assert fleet.always_there() == set(fleet.ids())


def test_nothing_is_recorded_unless_asked_for() -> None:
    fleet = Fleet(10)
    fleet.next_day()
    assert fleet.states == []
    assert fleet.always_there() == set()
