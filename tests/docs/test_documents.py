"""docs/ and CONTRIBUTING.md hold what they promise. `make check` checks that the generated parts are up to date."""

import re

import pytest

from tests.commands import ROOT
from tests.docs.documents import RECIPES

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_there_are_twenty_recipes() -> None:
    titles = [line for line in RECIPES.read_text(encoding="utf-8").splitlines() if line.startswith("### ")]
    assert [title.split(".")[0] for title in titles] == [f"### {number}" for number in range(1, 21)]


@pytest.mark.parametrize("line", re.findall(r"^\| (?!I want|---)(.*) \|$", CONTRIBUTING, re.M))
def test_a_contributor_finds_what_is_where_it_is_said_to_be(line: str) -> None:
    named = re.findall(r"`([^`\s]+)`", line)
    files = [name for name in named if "/" in name or name.endswith(".py")]
    found = [path for name in files for path in (ROOT / name, ROOT / "pipelines/dlt_threecx" / name) if path.exists()]
    assert len(found) >= len(files) > 0
    text = "".join(path.read_text(encoding="utf-8") for path in found if path.is_file())
    assert [name for name in named if name not in files and name not in text] == []


def test_every_folder_of_the_package_is_in_the_layout() -> None:
    folders = [path.name for path in (ROOT / "pipelines/dlt_threecx").iterdir() if (path / "__init__.py").exists()]
    layout = CONTRIBUTING.partition("## Layout")[2]
    assert [name for name in folders if name != "source" and not re.search(rf"\b{name}/", layout)] == []


SOURCES = "".join(
    path.read_text(encoding="utf-8") for folder in ("pipelines", "sources") for path in (ROOT / folder).rglob("*.py")
)
OF_OTHERS = ("not a valid DuckDB database file", "No space left on device", "certificate")


@pytest.mark.parametrize(
    "message",
    [
        message
        for line in re.findall(
            r"^\| (?!message)([^|]*`[^|]*) \|", (ROOT / "docs/troubleshooting.md").read_text("utf-8"), re.M
        )
        for message in re.findall(r"`([^`]+)`", line)
    ],
)
def test_a_message_that_troubleshooting_explains_is_one_of_ours(message: str) -> None:
    assert message in SOURCES or message in OF_OTHERS
