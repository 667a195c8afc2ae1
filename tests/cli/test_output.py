"""Rows in every format."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.cli.cells import row_texts, shown, text_width
from dlt_threecx.cli.output import FORMATS, Format, write_rows
from dlt_threecx.cli.table import laid_out
from dlt_threecx.queries.json_value import plain

AT = datetime(2026, 11, 1, 7, 30, 15, 123_456, tzinfo=UTC)
COLUMNS = ["name", "devices", "at", "online"]
ROWS: list[list[Any]] = [["hq", 500, AT, True], ['Zoë, "x"\nB', None, None, False]]


def _written(form: Format, columns: list[str] = COLUMNS, rows: list[list[Any]] = ROWS) -> str:
    out = io.StringIO()
    write_rows(columns, rows, form, out)
    return out.getvalue()


def test_a_table_has_a_line_per_row_and_numbers_to_the_right() -> None:
    assert _written("table").splitlines() == [
        "name         devices  at                online",
        "hq               500  2026-11-01 07:30  true",
        'Zoë, "x"\\nB                             false',
    ]


def test_json_is_one_array() -> None:
    assert json.loads(_written("json")) == [
        {"name": "hq", "devices": 500, "at": "2026-11-01T07:30:15.123456Z", "online": True},
        {"name": 'Zoë, "x"\nB', "devices": None, "at": None, "online": False},
    ]


def test_ndjson_is_an_object_a_line() -> None:
    lines = _written("ndjson").splitlines()
    assert [json.loads(line) for line in lines] == json.loads(_written("json"))


def test_csv_reads_back() -> None:
    assert list(csv.reader(io.StringIO(_written("csv")))) == [
        ["name", "devices", "at", "online"],
        ["hq", "500", "2026-11-01T07:30:15.123456Z", "true"],
        ['Zoë, "x"\nB', "", "", "false"],
    ]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("table", "name  devices  at  online\n"),
        ("json", "[]\n"),
        ("csv", "name,devices,at,online\n"),
        ("ndjson", ""),
    ],
)
def test_no_rows_are_a_result(form: Format, expected: str) -> None:
    assert _written(form, rows=[]) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("7"), 7),
        (Decimal("1.5"), 1.5),
        (AT.astimezone(timezone(timedelta(hours=2))), "2026-11-01T07:30:15.123456Z"),
        (datetime(2026, 11, 1), "2026-11-01T00:00:00"),  # noqa: DTZ001 - SQL has times without a zone
        (date(2026, 11, 1), "2026-11-01"),
        (timedelta(minutes=1), 60.0),
        (b"\x01\xff", "01ff"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ({"a": [AT]}, {"a": ["2026-11-01T07:30:15.123456Z"]}),
    ],
)
def test_a_value_is_the_same_in_json_and_csv(value: Any, expected: Any) -> None:
    assert (plain(value), type(plain(value))) == (expected, type(expected))
    (_, cell), *_ = csv.reader(io.StringIO(_written("csv", ["a", "v"], [[1, value]]).partition("\n")[2]))
    if expected is None or isinstance(expected, str):
        assert cell == (expected or "")
    else:
        # As JSON: `1` is not `1.0`, and `true` is neither.
        assert json.dumps(json.loads(cell)) == json.dumps(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\ud800", "\\ud800"),
        ("Zoë 漢字", "Zoë 漢字"),
    ],
)
def test_a_table_steers_no_terminal(value: str, expected: str) -> None:
    assert shown(value) == expected


def test_wide_and_joining_signs_keep_the_columns_straight() -> None:
    assert _written("table", ["a", "b"], [["漢字", "x"], ["e\u0301e", "y"]]).splitlines() == [
        "a     b",
        "漢字  x",
        "e\u0301e    y",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+4312345", "'+4312345"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        (-1, "-1"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\x9bb", "a\\x9bb"),
        ("a\rb", "a\\rb"),
        ("00123", "00123"),
    ],
)
def test_csv_holds_no_formula_and_steers_nothing(value: Any, expected: str) -> None:
    assert list(csv.reader(io.StringIO(_written("csv", ["v"], [[value]]))))[1] == [expected]


def test_no_format_lets_a_name_or_value_steer_a_terminal() -> None:
    for form in FORMATS:
        text = _written(form, ["\x1b[31mname\x9b"], [["\x1b]0;x\x07\x9b31m\u202e"]])
        assert not set(text) & set("\x1b\x07\x9b\u202e"), form
    assert json.loads(_written("json", ["v"], [["\x9b\u202e"]])) == [{"v": "\x9b\u202e"}]


def test_a_table_has_a_line_per_row_at_any_width_and_leaves_out_what_does_not_fit() -> None:
    columns = ["dn_name", "ip_address", "what", "at"]
    rows = [["Zoë Zimmermann-Meier " * 3, "10.31.44.176", "ip_address: 10.31.44.76 → 10.31.44.80", AT]]
    for width in range(10, 200):
        table = laid_out(columns, rows, width)
        lines = list(table.lines())
        assert len(lines) == 2
        assert max(map(text_width, lines)) <= width
        assert {column.heading for column in table.columns} | set(table.left_out) == set(columns)
        assert "ip_address" in table.left_out or width < 12 or "10.31.44.176" in lines[1]
        assert "at" in table.left_out or "2026-11-01 07:30" in lines[1]
        assert re.findall(r"10\.31\.44\.(?!176|76|80)", lines[1]) == []
    assert laid_out(columns, rows, None).left_out == []


def test_important_columns_stay() -> None:
    table = laid_out(["a", "b", "c"], [["x" * 20, "y" * 20, "z" * 20]], 25, important=("c", "a"))
    assert ([column.heading for column in table.columns], table.left_out) == (["a", "c"], ["b"])


def test_people_see_headings_and_words() -> None:
    table = laid_out(["dn_number", "online"], [["101", True], ["102", None]], None, labels=True)
    assert list(table.lines()) == ["extension  on line", "101        yes", "102"]


def test_a_record_is_a_block_of_lines() -> None:
    assert _written("list") == (
        "name     hq\ndevices  500\nat       2026-11-01 07:30\nonline   true\n\n"
        'name     Zoë, "x"\\nB\nonline   false\n\n'
    )


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes()


@given(st.lists(st.lists(_VALUES, min_size=2, max_size=2)))
def test_every_row_comes_out_in_every_format(rows: list[list[Any]]) -> None:
    columns = ["a", "b"]
    assert len(json.loads(_written("json", columns, rows))) == len(rows)
    assert len(_written("ndjson", columns, rows).rstrip("\n").split("\n")) == max(1, len(rows))
    assert len(_written("table", columns, rows).splitlines()) == len(rows) + 1
    assert len(list(csv.reader(io.StringIO(_written("csv", columns, rows), newline="")))) == len(rows) + 1


def test_rows_are_written_as_they_come() -> None:
    def endless() -> Iterator[list[int]]:
        while True:
            yield [1]

    class Full(Exception):
        pass

    class Small(io.StringIO):
        def write(self, text: str) -> int:
            if self.tell() > 1_000:
                raise Full
            return super().write(text)

    streaming: list[Format] = [form for form in FORMATS if form != "table"]
    for form in streaming:
        with pytest.raises(Full):
            write_rows(["a"], endless(), form, Small())


def test_an_address_is_whole_even_beside_texts_that_are_none() -> None:
    rows = [("Boardroom and bar on the second floor", "10.131.144.176"), ("Küche", "SBC site-in-the-far-north")]
    table = laid_out(("dn_name", "ip_address"), rows, 30)
    assert table.columns[1].cells == ["10.131.144.176", "SBC site-in-th…"]
    assert max(len(line) for line in table.lines()) <= 30


def test_a_value_that_comes_again_is_put_into_words_once() -> None:
    asked: list[Any] = []

    def text(value: Any) -> str:
        asked.append(value)
        return str(value)

    rows = [(f"10.0.0.{number % 3}", None) for number in range(5_000)]
    assert list(row_texts([text, text], rows)) == [(address, "None") for address, _ in rows]
    assert sorted(asked, key=str) == ["10.0.0.0", "10.0.0.1", "10.0.0.2", None]


def test_equal_values_of_several_types_and_lists_stay_what_they_are() -> None:
    rows: list[list[Any]] = [[1], [True], [1.0], [[1, True]], [None]] * 2
    assert _written("csv", ["value"], rows).splitlines() == ["value", *["1", "true", "1.0", '"[1, true]"', '""'] * 2]
    assert json.loads(_written("json", ["value"], rows)) == [{"value": value} for (value,) in rows]
