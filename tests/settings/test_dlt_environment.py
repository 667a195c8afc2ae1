"""Where dlt finds its settings while this package uses it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from dlt_threecx.settings.dlt_environment import dlt_settings_of


@pytest.fixture(params=["dlt was not used before", "dlt is used already"])
def before(request: pytest.FixtureRequest) -> Iterator[object]:
    """What the process has of dlt's settings."""
    container = Container()
    kept = container[PluggableRunContext]
    if request.param == "dlt was not used before":
        del container[PluggableRunContext]
        yield None
        container[PluggableRunContext] = kept
    else:
        yield kept.context


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text('mine = "ours"\nboth = "file"\n')
    return tmp_path


def test_dlt_reads_the_project_and_forgets_it(before: object, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", "/of-somebody-else")
    monkeypatch.setenv("BOTH", "environment")
    with dlt_settings_of(project):
        assert (dlt.config["mine"], dlt.config["both"]) == ("ours", "environment")
        assert dlt.current.run_context().local_dir == str(project)
    container = Container()
    assert (container[PluggableRunContext].context if PluggableRunContext in container else None) is before
    assert "mine" not in dlt.config


def test_a_failure_changes_nothing_either(before: object, project: Path) -> None:
    with pytest.raises(ZeroDivisionError), dlt_settings_of(project):
        1 / 0  # noqa: B018
    container = Container()
    assert (container[PluggableRunContext].context if PluggableRunContext in container else None) is before


@pytest.mark.parametrize("asked", [False, True])
def test_airflow_is_imported_only_when_asked_for(
    before: object, asked: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow = project / "site" / "airflow"
    airflow.mkdir(parents=True)
    (airflow / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(airflow.parent))
    if asked:
        with (project / ".dlt" / "config.toml").open("a") as config:
            config.write("[providers]\nenable_airflow_secrets = true\n")
    with dlt_settings_of(project):
        assert ("airflow" in sys.modules) is asked
    sys.modules.pop("airflow", None)
