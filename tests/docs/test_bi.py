"""docs/bi.md: its Python runs as printed, its tables name what is there, its SQL gives a role that can only read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlt_threecx.views.dictionary import RELATIONS
from tests.commands import ROOT, python
from tests.destinations.warehouse import postgres
from tests.publish.copies import published, written

TEXT = (ROOT / "docs" / "bi.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    published(written(folder / "phones.duckdb"), folder / "bi", parquet=True)
    return folder


@pytest.mark.parametrize("snippet", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
def test_the_python_runs_as_printed(snippet: str, project: Path) -> None:
    for name in re.findall(r"^import (\w+)|# (pandas)$", snippet, re.MULTILINE):
        pytest.importorskip("".join(name))
    ran = python("-c", snippet, folder=project)
    assert ran.code == 0, ran.err
    assert ran.out.strip()


def test_every_relation_that_it_names_is_there() -> None:
    answers = TEXT.partition("| to answer | ask |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z_]+)(?:\(time\))?`", answers)) - {"severity_rank", "what_to_do", "time"}
    assert named - {"publication"} <= set(RELATIONS)
    assert set(RELATIONS) - named == {"device_versions", "complete_snapshots"}


def test_the_role_of_postgresql_can_read_and_nothing_else(tmp_path: Path) -> None:
    (grants,) = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    with postgres() as server:
        server.execute(
            "drop schema if exists threecx cascade; create schema threecx; create table threecx.devices (one int)",
            grants,
            "create view threecx.later as select * from threecx.devices",
        )
        reader = "set role threecx_reader; "
        assert server.rows(f"{reader} select * from threecx.later") == []
        with pytest.raises(Exception, match="permission denied"):
            server.execute(f"{reader} insert into threecx.devices values (1)")
