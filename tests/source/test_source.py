"""The dlt source: any destination, any disposition, options and secrets from dlt's own configuration."""

import json
import os
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow.parquet as pq
import pytest
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source import threecx_source
from dlt_threecx.source.columns import DLT_COLUMNS
from dlt_threecx.source.errors import ProtocolError, QueryError, SettingsError
from dlt_threecx.source.settings import PLACEHOLDERS


@pytest.fixture
def pipeline(tmp_path: Path) -> dlt.Pipeline:
    return dlt.pipeline(
        "devices",
        destination=dlt.destinations.duckdb(str(tmp_path / "devices.duckdb")),
        dataset_name="phones",
        pipelines_dir=str(tmp_path / "work"),
    )


@pytest.fixture
def environment(pbx: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__THREECX__BASE_URL", pbx.base_url)
    monkeypatch.setenv("SOURCES__THREECX__CLIENT_ID", pbx.client_id)
    monkeypatch.setenv("SOURCES__THREECX__CLIENT_SECRET", pbx.client_secret)


def source_of(pbx: Simulator, /, **arguments: Any) -> DltSource:
    return threecx_source(
        **{"base_url": pbx.base_url, "client_id": pbx.client_id, "client_secret": pbx.client_secret, **arguments}
    )


def ids_in(tmp_path: Path, table: str = "sip_devices") -> list[int]:
    with duckdb.connect(str(tmp_path / "devices.duckdb"), read_only=True) as connection:
        return [row[0] for row in connection.sql(f"select device_id from phones.{table} order by 1").fetchall()]


def ids_of(source: DltSource) -> list[int]:
    return [row["device_id"] for row in source]


def test_every_device_is_loaded_with_its_columns(
    pbx: Simulator, fleet: Fleet, pipeline: dlt.Pipeline, tmp_path: Path
) -> None:
    pipeline.run(source_of(pbx))
    assert ids_in(tmp_path) == fleet.ids()
    with duckdb.connect(str(tmp_path / "devices.duckdb"), read_only=True) as connection:
        loaded = connection.sql("select * from phones.sip_devices order by device_id")
        names = [name for name in loaded.columns if not name.startswith("_dlt")]
        assert names == ["pbx", *DLT_COLUMNS]
        rows = [dict(zip(loaded.columns, row, strict=True)) for row in loaded.fetchall()]
    for row, item in zip(rows, fleet.served(), strict=True):
        registrar, dn = item.get("Registrar") or {}, item.get("DN") or {}
        assert row["vendor"] == registrar.get("Vendor")
        assert row["dn_name"] == dn.get("Name")
        assert row["dn_tags"] == (json.dumps(sorted(dn["Tags"]), separators=(",", ":")) if dn.get("Tags") else None)


def test_odd_values_arrive_as_they_are(pipeline: dlt.Pipeline, tmp_path: Path) -> None:
    fleet = Fleet(devices=5, seed=1)
    odd = ['it\'s "odd"\n\r\t\\', "  ", "Zoë 电话 \U0001f4de", "\ud800\x00", ""]
    for device_id, name in zip(fleet.ids(), odd, strict=True):
        fleet.update(device_id, {"DN": {"Name": "x"}})
        fleet.find(device_id)["DN"]["Name"] = name if name.isascii() or "\ud800" not in name else "\ufffd\ufffd"
    with Simulator(fleet) as pbx:
        pipeline.run(source_of(pbx))
    with duckdb.connect(str(tmp_path / "devices.duckdb"), read_only=True) as connection:
        names = connection.sql("select dn_name from phones.sip_devices order by device_id").fetchall()
    assert [name for (name,) in names] == [*odd[:3], "\ufffd\ufffd", None]


@pytest.mark.parametrize("disposition", ["replace", "merge"])
def test_several_pbxs_keep_their_devices_in_one_table(pipeline: dlt.Pipeline, tmp_path: Path, disposition: Any) -> None:
    fleets = {"hq": Fleet(devices=12, seed=1), "leeds": Fleet(devices=7, seed=2)}
    with Simulator(fleets) as pbx:
        for _ in range(2):
            sources = [source_of(pbx, base_url=url, pbx=name) for name, url in pbx.base_urls.items()]
            pipeline.run(sources, write_disposition=disposition)
    with duckdb.connect(str(tmp_path / "devices.duckdb"), read_only=True) as connection:
        loaded = connection.sql("select pbx, device_id from phones.sip_devices order by all").fetchall()
    assert loaded == [(name, device) for name, fleet in fleets.items() for device in fleet.ids()]


def test_the_settings_of_several_pbxs_are_no_name(pbx: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__THREECX__PBX", '{"hq": {"base_url": "https://hq.example.com"}}')
    assert {row["pbx"] for row in source_of(pbx)} == {"default"}
    assert {row["pbx"] for row in source_of(pbx, pbx="leeds")} == {"leeds"}


def test_every_column_says_what_it_means(pbx: Simulator) -> None:
    columns = source_of(pbx).resources["sip_devices"].columns
    assert isinstance(columns, dict)
    assert [name for name, column in columns.items() if not column.get("description")] == []


@pytest.mark.parametrize("disposition", ["replace", "append", "merge"])
def test_each_write_disposition_does_what_it_says(
    pbx: Simulator, fleet: Fleet, pipeline: dlt.Pipeline, tmp_path: Path, disposition: Any
) -> None:
    first = fleet.ids()
    pipeline.run(source_of(pbx), write_disposition=disposition)
    gone = fleet.remove(first[3])["Id"]
    new = fleet.add()["Id"]
    pipeline.run(source_of(pbx), write_disposition=disposition)
    expected = {
        "replace": fleet.ids(),
        "append": sorted(first + fleet.ids()),
        "merge": sorted({*first, new}),
    }[disposition]
    assert ids_in(tmp_path) == expected
    assert (gone in ids_in(tmp_path)) is (disposition != "replace")


def test_an_emptied_pbx_empties_a_replaced_table(pipeline: dlt.Pipeline, tmp_path: Path) -> None:
    fleet = Fleet(devices=3, seed=1)
    with Simulator(fleet) as pbx:
        pipeline.run(source_of(pbx))
        for device_id in fleet.ids():
            fleet.remove(device_id)
        pipeline.run(source_of(pbx))
    assert ids_in(tmp_path) == []


def test_files_are_a_destination_like_any_other(pbx: Simulator, fleet: Fleet, tmp_path: Path) -> None:
    pipeline = dlt.pipeline(
        "files",
        destination=dlt.destinations.filesystem(str(tmp_path / "files")),
        dataset_name="phones",
        pipelines_dir=str(tmp_path / "work"),
    )
    pipeline.run(source_of(pbx), loader_file_format="parquet")
    (file,) = (tmp_path / "files" / "phones" / "sip_devices").glob("*.parquet")
    assert sorted(pq.read_table(file).column("device_id").to_pylist()) == fleet.ids()


def test_no_secret_of_a_phone_reaches_a_file(pbx: Simulator, pipeline: dlt.Pipeline, tmp_path: Path) -> None:
    pipeline.config.restore_from_destination = False
    pipeline.run(source_of(pbx, fingerprint_key="pw-secret-key"))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"pw-secret" not in path.read_bytes(), path


def test_fingerprints_come_with_a_key_only(pbx: Simulator) -> None:
    with_key = list(source_of(pbx, fingerprint_key="k"))
    assert any(row["phone_web_password_fp"] for row in with_key)
    assert not any(row["phone_web_password_fp"] for row in source_of(pbx))


# the eight options

OPTIONS: list[tuple[dict[str, Any], Any]] = [
    ({"top": 7}, lambda ids: ids[:7]),
    ({"top": 150}, lambda ids: ids[:150]),
    ({"skip": 230}, lambda ids: ids[230:]),
    ({"orderby": "Id desc", "top": 3}, lambda ids: ids[::-1][:3]),
    ({"filter": "Id lt 20"}, lambda ids: [one for one in ids if one < 20]),
    ({"count": False}, lambda ids: ids),
    ({"select": "DN"}, lambda ids: ids),
    ({"select": "Registrar,Id"}, lambda ids: ids),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS, ids=[str(options) for options, _ in OPTIONS])
@pytest.mark.parametrize("way", ["arguments", "environment", "config"])
def test_each_option_works_from_wherever_it_is_given(
    pbx: Simulator,
    fleet: Fleet,
    environment: None,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    expected: Any,
    way: str,
) -> None:
    if way == "arguments":
        found = ids_of(threecx_source(**options))
    elif way == "environment":
        for name, value in options.items():
            monkeypatch.setenv(f"SOURCES__THREECX__{name.upper()}", str(value))
        found = ids_of(threecx_source())
    else:
        Path(".dlt").mkdir()
        lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
        Path(".dlt/config.toml").write_text("\n".join(("[sources.threecx]", *lines)))
        from dlt.common.configuration.container import Container
        from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

        Container()[PluggableRunContext].reload_providers()
        found = ids_of(threecx_source())
    assert found == expected(fleet.ids())


def test_a_variable_that_names_no_section_is_of_somebody_else(
    pbx: Simulator, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = {"TOP": "60", "SKIP": "7", "SEARCH": "pop", "FILTER": "Id lt 0", "ORDERBY": "Id desc", "SELECT": "Id"}
    stray |= {"EXPAND": "Registrar", "PAGE_SIZE": "2", "PBX": "stray"}
    expected = list(threecx_source())
    requests = len(pbx.page_requests)
    for name, value in stray.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(f"SOURCES__{name}", value)
    assert expected == list(threecx_source())
    assert len(pbx.page_requests) == 2 * requests


def test_search_and_expand_are_passed_on(pbx: Simulator, fleet: Fleet) -> None:
    number = next(row["DN"]["Number"] for row in fleet.served() if "DN" in row)
    found = list(source_of(pbx, search=number))
    assert number in [row["dn_number"] for row in found]
    assert len(found) < 240
    assert pbx.page_requests[-1].query["$expand"] == "DN"
    assert all(row["dn_number"] is None for row in source_of(pbx, expand=None, top=9))


def test_the_resource_is_named_and_keyed() -> None:
    source = threecx_source(base_url="http://127.0.0.1:1", client_id="a", client_secret="b")
    assert (source.name, source.section, list(source.resources)) == ("threecx", "threecx", ["sip_devices"])
    schema = source.sip_devices.compute_table_schema()
    assert schema["columns"]["device_id"]["primary_key"] is True
    assert schema["write_disposition"] == "replace"


# what goes wrong


def test_a_setting_that_is_missing_is_named_by_dlt(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigFieldMissingException, match="SOURCES__THREECX__BASE_URL"):
        threecx_source(client_id="a", client_secret="b")


def test_credentials_that_are_missing_are_named_by_us() -> None:
    with pytest.raises(SettingsError, match="client_id"):
        threecx_source(base_url="https://pbx.example.com")


def test_the_placeholders_of_dlt_init_are_no_credentials(pbx: Simulator, fleet: Fleet) -> None:
    source = source_of(pbx, access_token=PLACEHOLDERS[0], fingerprint_key=PLACEHOLDERS[0])
    rows = list(source)
    assert len(rows) == 240
    assert not any(row["prov_link_fp"] for row in rows)


def test_an_option_without_sense_is_refused_before_anything_is_read(pbx: Simulator) -> None:
    with pytest.raises(QueryError, match=r"\$top"):
        source_of(pbx, top=-1)
    assert pbx.requests == []


def test_a_failed_reading_loads_nothing_and_says_why(
    pbx: Simulator, fleet: Fleet, pipeline: dlt.Pipeline, tmp_path: Path
) -> None:
    pipeline.run(source_of(pbx))
    pbx.set_fault("id_missing", after=2, times=None)
    with pytest.raises(PipelineStepFailed, match="has no Id") as caught:
        pipeline.run(source_of(pbx))
    causes: list[BaseException | None] = [caught.value]
    while causes[-1] is not None:
        causes.append(causes[-1].__cause__ or causes[-1].__context__)
    assert any(isinstance(cause, ProtocolError) for cause in causes)
    assert "pw-secret" not in str(caught.value)
    assert ids_in(tmp_path) == fleet.ids()


def test_no_test_reports_to_anybody() -> None:
    assert os.environ["RUNTIME__DLTHUB_TELEMETRY"] == "false"
