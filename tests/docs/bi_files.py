"""The files of bi/ that name every column: sources of dbt and datasets of Superset, made from the dictionary."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from uuid import NAMESPACE_URL, uuid5

from dlt_threecx.views.dictionary import column_meaning, purpose
from dlt_threecx.views.views import MACROS

__all__ = ["DATASETS", "dbt_sources", "superset_dataset", "uuid_of"]

Described = Mapping[str, Mapping[str, str]]

DATASETS: dict[str, dict[str, tuple[str, str]]] = {
    "devices": {"phones": ("COUNT(*)", "devices that are there now")},
    "pbx_status": {"pbxs": ("COUNT(*)", "PBXs in the history")},
    "daily_inventory": {"devices": ("SUM(devices)", "devices at the end of the day; of one day, not summed over days")},
    "daily_changes": {"devices": ("SUM(devices)", "devices that changed, each once per day and category")},
    "device_changes": {"updates": ("COUNT(DISTINCT update_id)", "devices times snapshots in which something changed")},
    "findings": {"findings": ("COUNT(*)", "findings")},
}
"""Dataset of Superset → metric → SQL and meaning."""

_TIMES = {
    "devices": "last_changed_at",
    "pbx_status": "last_complete_at",
    "daily_inventory": "day",
    "daily_changes": "day",
    "device_changes": "changed_at",
    "findings": "since",
}


def uuid_of(name: str) -> str:
    """The UUID of an object of the bundle, always the same."""
    return str(uuid5(NAMESPACE_URL, f"https://dlt-threecx/superset/{name}"))


def dbt_sources(found: Described) -> str:
    """bi/dbt/models/sources.yml."""
    return "\n".join(_dbt_sources(found)) + "\n"


def _dbt_sources(found: Described) -> Iterator[str]:
    yield from (
        "# Made from the data dictionary by `make docs`.",
        "version: 2",
        "",
        "sources:",
        "  - name: threecx",
        "    description: SIP devices of 3CX phone systems, their history and what should be done about them.",
        "    database: \"{{ 'threecx_bi' if target.type == 'duckdb' else target.database }}\"",
        "    schema: \"{{ var('threecx_schema', 'threecx') }}\"",
        "    tables:",
    )
    for name, columns in found.items():
        if name in MACROS:
            continue
        yield f"      - name: {name}"
        yield f"        description: {_text(purpose(name))}"
        if name == "pbx_status":
            # dbt asks for the newest value; the test every_pbx_is_fresh looks at each PBX
            yield "        loaded_at_field: last_complete_at"
            yield "        config:"
            yield "          freshness:"
            yield "            warn_after: {count: 26, period: hour}"
            yield "            error_after: {count: 50, period: hour}"
        yield "        columns:"
        for column in columns:
            if not column.startswith("_dlt_"):
                yield f"          - name: {column}"
                yield f"            description: {_text(column_meaning(name, column))}"


def superset_dataset(name: str, columns: Mapping[str, str]) -> str:
    """bi/superset/datasets/threecx_bi/NAME.yaml."""
    return "\n".join(_superset_dataset(name, columns)) + "\n"


def _superset_dataset(name: str, columns: Mapping[str, str]) -> Iterator[str]:
    yield "# Made from the data dictionary by `make docs`."
    yield f"table_name: {name}"
    yield f"main_dttm_col: {_TIMES[name]}"
    yield f"description: {_text(purpose(name))}"
    for key in ("default_endpoint", "cache_timeout", "catalog", "sql", "params", "template_params", "extra"):
        yield f"{key}: null"
    yield from ("offset: 0", "schema: threecx", "filter_select_enabled: true", "fetch_values_predicate: null")
    yield from ("normalize_columns: false", "always_filter_main_dttm: false", f"uuid: {uuid_of(f'dataset/{name}')}")
    yield "metrics:"
    for metric, (sql, meaning) in DATASETS[name].items():
        yield f"  - metric_name: {metric}"
        yield f"    verbose_name: {metric}"
        yield "    metric_type: null"
        yield f"    expression: {_text(sql)}"
        yield f"    description: {_text(meaning)}"
        for key in ("d3format", "currency", "extra", "warning_text"):
            yield f"    {key}: null"
    yield "columns:"
    for column, kind in columns.items():
        yield f"  - column_name: {column}"
        yield "    verbose_name: null"
        yield f"    is_dttm: {str(kind.startswith(('TIMESTAMP', 'DATE'))).lower()}"
        yield "    is_active: true"
        yield f"    type: {_text(kind)}"
        yield "    advanced_data_type: null"
        yield "    groupby: true"
        yield "    filterable: true"
        yield "    expression: null"
        yield f"    description: {_text(column_meaning(name, column))}"
        yield from ("    python_date_format: null", "    extra: null")
    yield from ("version: 1.0.0", f"database_uuid: {uuid_of('database')}")


def _text(text: str) -> str:
    """As a text of YAML, which takes those of JSON."""
    return json.dumps(text.replace("`", ""), ensure_ascii=False)
