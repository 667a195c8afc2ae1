"""Rows that come again are not parsed again, and nothing that a reading says depends on that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.snapshot.device_file import DEVICE_FILE_SCHEMA, device_batches, file_digest
from dlt_threecx.snapshot.fast_json import fast_json
from dlt_threecx.snapshot.known_rows import NO_DIGEST, KnownFile, KnownRows, PageEnd, RowDecoder, RowKey
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.snapshot.take_snapshot import take_snapshot
from dlt_threecx.snapshot.walked_rows import rows_at
from dlt_threecx.source.client import Client
from dlt_threecx.source.device import MAX_PROPERTIES
from dlt_threecx.source.errors import ProtocolError
from dlt_threecx.source.settings import Settings

KEY = RowKey(b"k" * 32, "a test")
ODD = st.sampled_from(['},{"Id":', '"value":[{"Id":', "}]", "\\", '"', "ä\u2028", "", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | ODD,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(ODD | st.sampled_from(["Id", "value"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["Id", "DN", "value", "N"]), VALUES, max_size=3), max_size=4)
ENVELOPES = st.dictionaries(st.sampled_from(["@odata.count", "@odata.nextLink", "a"]), VALUES, max_size=2)
TOKENS = (
    '{"@odata.count":2,',
    '"value":[',
    '{"Id":1',
    ',"N":',
    "}",
    "]",
    "},{",
    '"Id":2',
    "{",
    "[",
    '"',
    "\\",
    ",",
    "}]",
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Answers of a PBX, and texts that look like some."""
    if draw(st.booleans()):
        return "".join(draw(st.lists(st.sampled_from(TOKENS), max_size=14))).encode()
    rows = [{"Id": number, **row} for number, row in enumerate(draw(ROWS))]
    body = [*draw(ENVELOPES).items(), ("value", rows), *draw(ENVELOPES).items()]
    return json.dumps(dict(body), ensure_ascii=False, separators=(",", ":")).encode()


def end_of(value: Any) -> PageEnd | None:
    rows = value.get("value") if isinstance(value, dict) else None
    return rows[-1] if isinstance(rows, list) and rows and isinstance(rows[-1], PageEnd) else None


def ids_of(value: Any) -> Any:
    return {**value, "value": [row["Id"] for row in value["value"]]}


@given(answers(), answers(), st.booleans())
def test_an_answer_says_the_same_in_all_ways(first: bytes, other: bytes, is_again: bool) -> None:
    """Parsed as a whole, known as a whole, or with some rows that are known."""
    parsed = RowDecoder(KEY)(first)
    assert parsed == fast_json(first)
    end = end_of(parsed)
    rows = parsed["value"] if end else []
    pages = {end.page_digest: (0, len(rows))} if end else {}
    digests = b"".join((end and end.digests) or [NO_DIGEST] * len(rows))
    known = KnownRows(Path(), [row.get("Id") for row in rows], pages, digests, {}, "0")
    body = first if is_again else other
    found, plain = RowDecoder(KEY, known)(body), fast_json(body)
    again = end_of(found)
    if again is None or not any(place is not None for place in again.places):
        assert found == plain
    else:
        assert ids_of(found) == ids_of(plain)
        for place, row, wanted in zip(again.places, found["value"], plain["value"], strict=True):
            assert wanted == (row if place is None else rows[place])
    assert not (is_again and end) or (again is not None and again.places == range(len(rows)))


@given(answers())
def test_without_a_key_nothing_is_noted(body: bytes) -> None:
    value = RowDecoder()(body)
    assert (value, end_of(value)) == (fast_json(body), None)


class Reader:
    """Reads one simulated PBX again and again, and keeps what it has read."""

    def __init__(self, folder: Path, fleet: Fleet, simulator: Simulator) -> None:
        self.folder, self.fleet, self.simulator = folder, fleet, simulator
        settings = Settings(simulator.base_url, simulator.client_id, simulator.client_secret)
        self.pbx = PbxConfig("hq", settings)
        self.volatile: tuple[str, ...] = ("online",)
        self.known: KnownFile | None = None
        self._number = 0

    def decoder(self) -> RowDecoder:
        return RowDecoder.of(self.pbx, self.volatile, self.known)

    def read(self, pages: RowDecoder, progress: Callable[[int, int], None] | None = None) -> Snapshot:
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir()
        with closing(Client(self.pbx.settings, pages)) as client:
            return take_snapshot(self.pbx, client, folder, self.volatile, progress, pages)

    def keep(self, snapshot: Snapshot) -> None:
        if snapshot.rows_read is None:
            assert self.known is not None
            assert snapshot.file == self.known.file
            return
        noted = self.folder / f"{self._number}.json"
        noted.write_bytes(snapshot.rows_read.written(file_digest(snapshot.file)))
        self.known = KnownFile(snapshot.file, file_digest(snapshot.file), noted)

    def check(self) -> Snapshot:
        """A reading that knows pages says what one says that knows none."""
        snapshot, plain = self.read(self.decoder()), self.read(RowDecoder())
        for facts in ("devices", "fingerprint", "shape", "reported_count", "pages", "walks"):
            assert getattr(snapshot, facts) == getattr(plain, facts)
        assert table_of(snapshot.file) == table_of(plain.file)
        self.keep(snapshot)
        return snapshot


def table_of(file: Path) -> pa.Table:
    return pa.Table.from_batches(device_batches(file), DEVICE_FILE_SCHEMA).combine_chunks()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    fleet = Fleet(devices=350, seed=3, shape="later")
    with Simulator(fleet) as simulator:
        yield Reader(tmp_path, fleet, simulator)


def test_a_reading_that_finds_nothing_new_is_the_file_that_was_kept(reader: Reader) -> None:
    first = reader.check()
    assert reader.check().file == first.file
    assert reader.check().file == first.file


def test_whatever_changes_the_reading_says_so(reader: Reader) -> None:
    ids = reader.fleet.ids()
    reader.check()
    changes: list[Callable[[], Any]] = [
        lambda: reader.fleet.update(ids[250], {"DN": {"Name": 'odd },{"Id":7,"value":[{"Id": name'}}),
        lambda: reader.fleet.update(ids[10], {"Brand": "new property"}),
        lambda: reader.fleet.update(ids[10], {"Brand": 7}),
        lambda: reader.fleet.update(ids[300], {"Brand": "of another type"}),
        lambda: reader.fleet.remove(ids[10]),
        lambda: reader.fleet.remove(ids[-1]),
        # what was the second page is now the first
        lambda: [reader.fleet.remove(id_) for id_ in reader.fleet.ids()[:99]],
        reader.fleet.next_day,
        lambda: setattr(reader, "pbx", replace(reader.pbx, settings=replace(reader.pbx.settings, page_size=40))),
        lambda: setattr(reader, "pbx", replace(reader.pbx, settings=replace(reader.pbx.settings, consistency="twice"))),
    ]
    for change in changes:
        change()
        first = reader.check()
        assert reader.check().file == first.file


def parsed_rows(snapshot: Snapshot) -> int:
    """How many rows the walk wrote by itself."""
    return sum(batch.num_rows for batch in device_batches(snapshot.file.with_name("hq.0.arrow")))


def test_only_rows_that_are_new_are_parsed(reader: Reader) -> None:
    ids = reader.fleet.ids()
    assert parsed_rows(reader.check()) == 350
    reader.fleet.update(ids[120], {"DN": {"Name": "New"}})
    reader.fleet.update(ids[199], {"DN": {"Name": "New as well, and first on the next page"}})
    assert parsed_rows(reader.check()) == 2
    # all that comes after it stands on another page now, or in another place
    reader.fleet.remove(ids[0])
    reader.fleet.update(ids[300], {"DN": {"Name": "Last"}})
    assert parsed_rows(reader.check()) == 1


def test_a_row_that_cannot_be_told_apart_is_known_with_its_page_only(reader: Reader) -> None:
    ids = reader.fleet.ids()
    reader.fleet.update(ids[120], {"Peers": [{"Name": "a"}, {"Id": 5, "Name": "b"}]})
    first = reader.check()
    assert reader.check().file == first.file
    reader.fleet.update(ids[130], {"DN": {"Name": "New"}})
    assert parsed_rows(reader.check()) == 99


def test_when_all_witnesses_of_a_property_are_gone_all_rows_are_parsed(reader: Reader) -> None:
    ids = reader.fleet.ids()
    for id_ in ids[100:120]:
        reader.fleet.update(id_, {"Brand": "new property"})
    reader.check()
    for id_ in ids[100:110]:
        reader.fleet.remove(id_)
    # those that are left have it still, which is not known of them
    snapshot = reader.check()
    assert snapshot.shape["Brand"] == "string"
    assert snapshot.file.name == "hq.1.arrow"


def test_a_row_that_changed_between_two_pages_is_what_it_is_now(reader: Reader) -> None:
    """The page that begins with it comes again, as the first one; the file has the row as the page before had it."""
    ids = reader.fleet.ids()

    def change(rows: int, _: int) -> None:
        if rows == 100:
            reader.fleet.update(ids[99], {"DN": {"Name": "Changed between two pages"}})

    reader.keep(reader.read(reader.decoder(), change))
    for id_ in ids[:99]:
        reader.fleet.remove(id_)
    reader.check()


def many_properties(first: str) -> dict[str, int]:
    """Half of as many as there may be. Among so many digits a piece of a token would be found by chance."""
    letters = str.maketrans("0123456789", "abcdefghij")
    return {first + str(number).translate(letters): number for number in range(MAX_PROPERTIES // 2)}


def test_properties_are_too_many_with_those_of_known_rows(reader: Reader) -> None:
    ids = reader.fleet.ids()
    reader.fleet.update(ids[0], many_properties("A"))
    reader.check()
    reader.fleet.update(ids[120], many_properties("B"))
    with pytest.raises(ProtocolError, match="more than 2000 different properties"):
        reader.read(reader.decoder())


def settings_with(reader: Reader, **settings: Any) -> None:
    reader.pbx = replace(reader.pbx, settings=replace(reader.pbx.settings, **settings))


def edited(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))


UNFIT: dict[str, Callable[[Reader, KnownFile], Any]] = {
    "another API key": lambda reader, _: settings_with(reader, client_secret="another"),
    "another fingerprint key": lambda reader, _: settings_with(reader, fingerprint_key="another"),
    "a token instead of a key": lambda reader, _: settings_with(reader, access_token="a.b.c"),
    "other volatile columns": lambda reader, _: setattr(reader, "volatile", ()),
    "no notes": lambda _, known: known.rows.unlink(),
    "no file": lambda _, known: known.file.unlink(),
    "half the notes": lambda _, known: known.rows.write_bytes(known.rows.read_bytes()[:100]),
    "edited notes": lambda _, known: edited(known.rows, b"[0,100]", b"[1,100]"),
    "an edited file": lambda _, known: edited(known.file, b"ARROW1", b"ARROW2"),
    "another file": lambda reader, known: setattr(reader, "known", known._replace(digest="0" * 32)),
}


@pytest.mark.parametrize("name", UNFIT)
def test_rows_that_were_kept_for_something_else_are_not_known(reader: Reader, name: str) -> None:
    reader.check()
    assert reader.known
    assert reader.decoder().known
    UNFIT[name](reader, reader.known)
    assert reader.decoder().known is None


def test_digests_of_rows_cannot_be_made_without_the_api_key(reader: Reader) -> None:
    settings_with(reader, access_token="a.b.c")
    assert reader.decoder().key is None
    another = RowKey(b"another", "a test")
    assert KEY.digests([b"row"]) != another.digests([b"row"])
    assert "kkkk" not in repr(KEY)


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_two_files_come_in_their_places(seed: int) -> None:
    random = Random(seed)
    sizes = random.choice([(50, 7), (50, 0), (0, 7), (1, 1)])
    old, new = (
        pa.table({"id": pa.array(range(first, first + size), pa.int64())})
        for first, size in zip((0, 100), sizes, strict=True)
    )
    old = pa.concat_tables([old.slice(0, 20), old.slice(20)])
    wanted = sorted(random.sample(range(sum(sizes)), random.randint(1, sum(sizes))), key=lambda place: place % 50)
    ids = [place if place < sizes[0] else 100 + place - sizes[0] for place in wanted]
    assert rows_at(old, new, wanted).column("id").to_pylist() == ids
