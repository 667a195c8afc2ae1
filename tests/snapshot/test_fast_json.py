"""The quick JSON parser: the very value that the strict one gives, or no word."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.snapshot.fast_json import fast_json
from dlt_threecx.source.strict_json import strict_json


class Pairs(list[tuple[str, Any]]):
    """An object that may have a property twice."""


TEXT = st.text(st.sampled_from('ab :,{}[]"\\\\/u0041é€<\n\u2028\U0001f600\x00\x7f'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(TEXT, inner), max_size=3).map(Pairs),
    max_leaves=8,
)


def written(value: Any, **style: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name, **style)}:{written(v, **style)}" for name, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(v, **style) for v in value) + "]"
    return json.dumps(value, **style)


def strict(body: bytes) -> Any:
    try:
        return strict_json(body.decode("utf-8-sig"))
    except ValueError:
        return None


@given(VALUES, st.booleans())
def test_it_gives_what_the_strict_parser_gives_or_nothing(value: Any, is_ascii: bool) -> None:
    body = written(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    quick = fast_json(body)
    assert quick is None or repr(quick) == repr(strict(body))


@given(st.text(st.sampled_from('{}[]":,\\\\u0041e9 -.')).map(str.encode) | st.binary())
def test_it_has_no_word_for_what_the_strict_parser_refuses(body: bytes) -> None:
    quick = fast_json(body)
    assert quick is None or repr(quick) == repr(strict(body))


@pytest.mark.parametrize(
    "body",
    [
        "",
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        '{"é":1,"\\u00e9":1}',
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":1e999}',
        '{"a":' + "9" * 30 + "}",
        '{"a":"\\u0000"}',
        '{"a":"\\ud800"}',
        '{"a":' + "[" * 400 + "]" * 400 + "}",
        "[" * 50_000,
        '{"a": 1}',
    ],
)
def test_it_leaves_the_odd_to_the_strict_parser(body: str) -> None:
    assert fast_json(body.encode()) is None


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"a":[{"b":1.5,"c":null,"d":true}]}', {"a": [{"b": 1.5, "c": None, "d": True}]}),
        ('{"a":"M\\u00fcller \\u0026 O\\u0027Brien"}', {"a": "Müller & O'Brien"}),
        ('{"a":"\\"b\\\\\\n"}', {"a": '"b\\\n'}),
    ],
)
def test_it_reads_what_a_pbx_sends(body: str, value: Any) -> None:
    assert fast_json(body.encode()) == value
