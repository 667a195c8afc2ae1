"""What bi/ hands over fits the published copy: every column that a chart, a mart or a notebook names is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dlt_threecx.views.dictionary import RELATIONS
from dlt_threecx.views.views import MACROS
from tests.commands import ROOT
from tests.docs.bi_files import DATASETS, dbt_sources, superset_dataset, uuid_of
from tests.literal import empty_history
from tests.publish.copies import copied, published, written

BI = ROOT / "bi"
SUPERSET = BI / "superset"
CHARTS = sorted((SUPERSET / "charts").glob("*.yaml"))
MARTS = sorted((BI / "dbt" / "models" / "marts").glob("*.sql"))

Columns = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def columns() -> Columns:
    with empty_history() as history:
        return {
            name: {
                column: str(kind)
                for column, kind, *_ in history.execute(f"describe from {name}").fetchall()
                if not column.startswith("_dlt_")
            }
            for name in RELATIONS
            if name not in MACROS
        }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("copy")
    published(written(folder / "phones.duckdb"), folder / "bi")
    with copied(folder / "bi") as connection:
        yield connection


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_the_files_made_from_the_dictionary_are_up_to_date(columns: Columns) -> None:
    made = {BI / "dbt/models/sources.yml": dbt_sources(columns)} | {
        SUPERSET / f"datasets/threecx_bi/{name}.yaml": superset_dataset(name, columns[name]) for name in DATASETS
    }
    assert [path for path, text in made.items() if path.read_text(encoding="utf-8") != text] == [], "run make docs"


@pytest.mark.parametrize("file", CHARTS, ids=lambda file: file.stem)
def test_every_column_and_metric_of_a_chart_is_there(file: Path, columns: Columns) -> None:
    chart = loaded(file)
    dataset = next(name for name in DATASETS if uuid_of(f"dataset/{name}") == chart["dataset_uuid"])
    params, (query,) = chart["params"], json.loads(chart["query_context"])["queries"]
    named = {
        *params.get("groupby", ()),
        *params.get("columns", ()),
        *params.get("all_columns", ()),
        *(json.loads(order)[0] for order in params.get("order_by_cols", ())),
        *(each["subject"] for each in params["adhoc_filters"]),
        *(each["col"] for each in query["filters"]),
        *(each if isinstance(each, str) else each["sqlExpression"] for each in query["columns"]),
        *([params["x_axis"]] if "x_axis" in params else []),
    }
    metrics = {
        *params.get("metrics", ()),
        *([params["metric"]] if "metric" in params else []),
        *query.get("metrics", ()),
    }
    assert named - columns[dataset].keys() == set()
    assert metrics - DATASETS[dataset].keys() == set()
    assert {each for each, _ in query["orderby"]} <= {*columns[dataset], *DATASETS[dataset]}
    assert json.loads(chart["query_context"])["form_data"] == params


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_metric_is_sql_that_the_copy_answers(dataset: str, copy: duckdb.DuckDBPyConnection) -> None:
    for sql, _ in DATASETS[dataset].values():
        [(value,)] = copy.execute(f"select {sql} from {dataset}").fetchall()
        assert value > 0


def test_the_dashboard_shows_every_chart_and_all_have_their_own_uuid() -> None:
    dashboard = loaded(SUPERSET / "dashboards" / "threecx.yaml")
    shown = {part["meta"]["uuid"] for part in dashboard["position"].values() if part_is_chart(part)}
    assert shown == {loaded(file)["uuid"] for file in CHARTS} == {uuid_of(f"chart/{file.stem}") for file in CHARTS}
    every = [loaded(file).get("uuid") for file in SUPERSET.rglob("*.yaml") if file.name != "metadata.yaml"]
    assert len(every) == len(set(every)) == len(CHARTS) + len(DATASETS) + 2


def part_is_chart(part: Any) -> bool:
    return isinstance(part, dict) and part["type"] == "CHART"


@pytest.mark.parametrize("file", MARTS, ids=lambda file: file.stem)
def test_a_mart_is_sql_that_the_copy_answers(file: Path, copy: duckdb.DuckDBPyConnection) -> None:
    sql = re.sub(r"\{\{ source\('threecx', '(\w+)'\) \}\}", r"\1", file.read_text(encoding="utf-8"))
    found = copy.execute(sql)
    named = [column[0] for column in found.description or ()]
    assert found.fetchall()
    (model,) = (each for each in loaded(file.with_name("marts.yml"))["models"] if each["name"] == file.stem)
    assert {column["name"] for column in model["columns"]} <= set(named)


def test_the_notebook_asks_what_the_copy_answers(copy: duckdb.DuckDBPyConnection) -> None:
    text = (BI / "threecx.py").read_text(encoding="utf-8")
    queries = re.findall(r'ask\(\s*(?:"""(.*?)"""|"(.*?)")', text, re.DOTALL)
    assert len(queries) == 6
    for query in (long or short for long, short in queries):
        assert copy.execute(query, [["hq", "bath"]] * query.count("?")).fetchall(), query
