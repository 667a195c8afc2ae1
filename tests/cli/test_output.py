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

from dlt_threecx.cli.output import FORMATS, Format, shown, write_rows
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
        "name         devices  at                    online",
        "-----------  -------  --------------------  ------",
        "hq               500  2026-11-01T07:30:15Z  true",
        'Zoë, "x"\\nB                                 false',
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
        ("table", "name  devices  at  online\n----  -------  --  ------\n"),
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
        "----  -",
        "漢字  x",
        "e\u0301e    y",
    ]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _on_terminal(columns: list[str], rows: list[list[Any]], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    out = _Terminal()
    write_rows(columns, rows, "table", out)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def test_on_a_terminal_a_table_fits_its_width_and_means_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _on_terminal(["name", "model"], [["[red]x[/red]" * 3, "T46U"]], monkeypatch)
    assert max(map(len, text.splitlines())) <= 40
    assert text.replace("\n", "").replace(" ", "").count("[red]") == 3


def test_on_a_terminal_that_is_far_too_narrow_a_row_is_a_block_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [f"column_{number}" for number in range(10)]
    text = _on_terminal(columns, [[*range(9), None]], monkeypatch)
    assert text.splitlines() == [f"column_{number}  {number}" for number in range(9)] + [""]


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes()


@given(st.lists(st.lists(_VALUES, min_size=2, max_size=2)))
def test_every_row_comes_out_in_every_format(rows: list[list[Any]]) -> None:
    columns = ["a", "b"]
    assert len(json.loads(_written("json", columns, rows))) == len(rows)
    assert len(_written("ndjson", columns, rows).rstrip("\n").split("\n")) == max(1, len(rows))
    assert len(_written("table", columns, rows).splitlines()) == len(rows) + 2
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
