"""Where the DuckDB file of a project is."""

from pathlib import Path

import pytest

from dlt_threecx.settings.duckdb_path import duckdb_path
from dlt_threecx.settings.toml_files import read_settings
from dlt_threecx.source.errors import SettingsError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".dlt").mkdir()
    return tmp_path


def _write(project: Path, name: str, text: str) -> None:
    (project / ".dlt" / name).write_text(text, encoding="utf-8")


def test_it_is_in_the_project_unless_its_path_is_absolute(project: Path) -> None:
    assert duckdb_path(project, {}) == project / "phones.duckdb"
    assert duckdb_path(project, {}, "data/x.duckdb") == project / "data" / "x.duckdb"
    assert duckdb_path(project, {}, "/srv/x.duckdb") == Path("/srv/x.duckdb")


def test_the_option_goes_before_the_environment_and_that_before_the_files(project: Path) -> None:
    _write(project, "config.toml", '[destination.duckdb.credentials]\ndatabase = "config.duckdb"\n')
    assert duckdb_path(project, {}) == project / "config.duckdb"
    _write(project, "secrets.toml", '[destination.duckdb]\ncredentials = "duckdb:///secrets.duckdb"\n')
    assert duckdb_path(project, {}) == project / "secrets.duckdb"
    environ = {"DESTINATION__DUCKDB__CREDENTIALS": "environ.duckdb"}
    assert duckdb_path(project, environ) == project / "environ.duckdb"
    assert duckdb_path(project, environ, "option.duckdb") == project / "option.duckdb"


def test_a_setting_that_is_no_file_is_named_with_its_place(project: Path) -> None:
    _write(project, "config.toml", '[destination.duckdb]\ncredentials = ":memory:"\n')
    with pytest.raises(SettingsError, match=r"credentials in .*config.toml ':memory:': a history needs a file"):
        duckdb_path(project, {})
    _write(project, "config.toml", "[destination.duckdb]\ncredentials = 7\n")
    with pytest.raises(SettingsError, match="it is not a text in quotes"):
        duckdb_path(project, {})


def test_settings_that_lie_too_deep_are_an_error_of_the_settings(project: Path) -> None:
    _write(project, "config.toml", "x = " + "[" * 5_000 + "]" * 5_000)
    with pytest.raises(SettingsError, match="too deep"):
        read_settings(project, "config.toml")
