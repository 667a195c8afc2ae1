"""What README.md tells its readers to do works as it is printed, and its links lead somewhere."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import click
import pytest

from dlt_threecx.cli import COMMANDS
from dlt_threecx.settings.config import load_config
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import ROOT, settings_of
from tests.shell import shell

README = ROOT / "README.md"
DOCUMENTS = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "sources/threecx/README.md")
] + sorted((ROOT / "docs").glob("*.md"))

MAKE = {"make demo": "threecx demo", "make test": "python -m pytest"}
"""What these run in the environment that they make: the tests run just now, the demo with `make check`."""
INSTALL = ("pipx install .", "uv tool install .")
"""tests/test_repository.py installs the wheel."""

_TROUBLE = re.compile(r"error|warning|traceback|exception", re.IGNORECASE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_MENTION = re.compile(r"`threecx ([a-z]+)([^`]*)`")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


def _steps() -> list[str]:
    """The lines of all shell blocks, in their order."""
    return [line for block in _blocks("sh") for line in block.splitlines() if line]


@pytest.fixture
def pbx() -> Iterator[Simulator]:
    with Simulator(Fleet(devices=250, seed=3)) as running:
        yield running


def test_every_command_works_as_printed(tmp_path: Path, pbx: Simulator) -> None:
    commands = [line for line in _steps() if line not in MAKE and line not in INSTALL]
    assert commands[0] == "threecx init"
    for command in commands:
        # without a terminal `init` asks nothing: it takes the answers from the environment
        answers = settings_of(pbx) if command == "threecx init" else {}
        # the history of the test begins today
        ran = shell(command.replace("2026-11-03", f"{datetime.now(UTC):%F}"), folder=tmp_path, **answers)
        assert ran.code == 0, f"{command}\n{ran.err}"
        assert not _TROUBLE.search(ran.err), f"{command}\n{ran.err}"
    assert {command.split()[0] for command in commands} == {"threecx"}
    assert (tmp_path / "phones.duckdb").exists()


def test_the_make_targets_do_what_the_test_takes_for_them() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [line for line in _steps() if line.startswith("make ")]
    assert set(targets) == set(MAKE)
    for target, command in MAKE.items():
        recipe = makefile.split(f"\n{target.removeprefix('make ')}: $(READY)")[1].split("\n")[1]
        assert recipe.lstrip("\t@").startswith(f"$(BIN)/{command}")


@pytest.mark.parametrize("block", _blocks("toml"))
def test_the_settings_are_understood(tmp_path: Path, block: str) -> None:
    folder = tmp_path / ".dlt"
    folder.mkdir()
    (folder / "config.toml").write_text(block, encoding="utf-8")
    environ = {variable("client_id"): "threecx", variable("client_secret"): "of the test"}
    config = load_config(tmp_path, environ)
    assert [pbx.settings.base_url for pbx in config.pbxs.values()] == re.findall(r'base_url = "(.*)"', block)
    assert config.warnings == ()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    broken = []
    for link in links:
        path, _, heading = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (heading and heading not in _headings(target)):
            broken.append(link)
    assert broken == []


def _headings(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_and_options_that_are_mentioned_exist(document: Path) -> None:
    unknown = []
    for name, rest in _MENTION.findall(document.read_text(encoding="utf-8")):
        options = _options(name) if name in COMMANDS else set()
        given = set(re.findall(r"(?<!\S)--[a-z-]+", rest.partition(" -- ")[0]))
        if name not in COMMANDS or given - options:
            unknown.append(f"threecx {name}{rest}")
    assert unknown == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_make_targets_that_are_mentioned_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    mentioned = re.findall(r"(?:^|`)make (?:[A-Z_]+=\S+ )?([a-z]+)", document.read_text(encoding="utf-8"), re.M)
    assert set(mentioned) - targets == set()


def _options(name: str) -> set[str]:
    module, _, function = COMMANDS[name][0].partition(":")
    command: click.Command = getattr(import_module(module), function)
    return {"--help", *(option for param in command.params for option in param.opts)}


def test_all_exit_codes_are_explained() -> None:
    text = README.read_text(encoding="utf-8")
    explained = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", text, re.M) for code in cell.split(",")}
    assert explained == {0, 1, *range(2, 8), 130, 143}


def test_the_excerpt_of_the_demo_has_its_days_and_a_story() -> None:
    (excerpt,) = _blocks("text")
    assert re.search(r"^day  1  .* devices: \d+ added$", excerpt, re.M)
    assert re.search(r"^day  7  .* refused", excerpt, re.M)
    assert re.search(r"^  \S+ \S+  returned ", excerpt, re.M)
