"""The repository keeps its own promises: layout, import rules, lock, and what the packages hold."""

import ast
import graphlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "sources" / "threecx"
PACKAGE = ROOT / "pipelines" / "dlt_threecx"
SIMULATOR = PACKAGE / "simulator"

LEFT_LYING_AROUND = (
    ".dlt/secrets.toml",
    "secrets.toml",
    "sources/.dlt/secrets.toml",
    "sources/threecx/.dlt/secrets.toml",
    "sources/threecx/secrets.toml",
    "pipelines/dlt_threecx/secrets.toml",
    "pipelines/dlt_threecx/phones.duckdb",
    "pipelines/dlt_threecx/phones.duckdb.wal",
    "pipelines/dlt_threecx/.threecx/pipelines/state.json",
    "sources/threecx.duckdb",
    "tests/threecx.duckdb",
    "threecx.duckdb",
    "threecx.duckdb.wal",
)
"""Files that a user or a developer has after a first sync, at the likely and the unlikely places."""


# layout


def test_the_reader_stands_in_the_package_by_a_link_and_not_as_a_copy() -> None:
    link = PACKAGE / "source"
    assert link.is_symlink()
    assert link.readlink() == Path("../../sources/threecx")


def test_no_folder_is_crowded_and_every_one_says_what_it_holds() -> None:
    modules = Counter(file.parent for file in PACKAGE.rglob("*.py"))
    assert {str(folder.relative_to(ROOT)) for folder, count in modules.items() if count > 17} == set()
    silent = [folder for folder in modules if not (folder / "__init__.py").is_file()]
    assert silent == []


def test_no_two_modules_import_each_other() -> None:
    """The layers of import-linter order folders; this orders the files within them."""
    graph = {name: _module_imports(name, file) for name, file in _modules().items()}
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()  # raises CycleError, which names the circle


def test_the_committed_settings_are_harmless() -> None:
    settings = tomllib.loads((ROOT / ".dlt" / "config.toml").read_text(encoding="utf-8"))
    assert settings == {
        "sources": {"threecx": {"page_size": 100}},
        "runtime": {"dlthub_telemetry": False},
    }


def test_the_secrets_template_holds_placeholders_only() -> None:
    template = tomllib.loads((ROOT / ".dlt" / "secrets.toml.example").read_text(encoding="utf-8"))
    assert template == {"sources": {"threecx": {"client_id": "<configure me>", "client_secret": "<configure me>"}}}


# import rules that import-linter cannot say


def _modules() -> dict[str, Path]:
    """Import name → file, of all modules of the package; a package has the name of its folder."""
    found = {}
    for file in sorted({*PACKAGE.rglob("*.py"), *(PACKAGE / "source").glob("*.py")}):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def _module_imports(name: str, file: Path) -> set[str]:
    """The modules of the package that a module imports, wherever in the file the import stands."""
    modules, found = _modules(), set()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            target = ".".join(filter(None, (base if node.level else "", node.module)))
            found |= {n if (n := f"{target}.{alias.name}") in modules else target for alias in node.names}
    return {one for one in found if one in modules and one != name}


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """Level (0 = absolute) and dotted name of every import in a file, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def test_the_source_imports_itself_relatively_and_else_only_dlt_requests_and_the_standard_library() -> None:
    # urllib3 is what requests is made of: it comes with it, and its objects and errors come out of it.
    allowed = {"dlt", "requests", "urllib3"} | sys.stdlib_module_names
    foreign = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in SOURCE.rglob("*.py")
        for level, name in _imports(file)
        if level == 0 and name.split(".")[0] not in allowed
    ]
    assert foreign == []


def test_the_simulator_imports_nothing_of_what_it_tests() -> None:
    foreign = [
        f"{file.relative_to(ROOT)}: {'.' * level}{name}"
        for file in SIMULATOR.rglob("*.py")
        for level, name in _imports(file)
        if level > len(file.relative_to(SIMULATOR).parts)
        or (
            level == 0
            and name.split(".")[0] in {"dlt_threecx", "tests"}
            and not f"{name}.".startswith("dlt_threecx.simulator.")
        )
    ]
    assert foreign == []


# the lock


def _project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _named(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in requirements}


def _locked() -> list[str]:
    """The lock's entries, one text each: `name==version ; marker --hash=… --hash=…`."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [entry.strip() for entry in lines.replace("\\\n", " ").splitlines() if entry.strip()]


def test_every_locked_package_has_one_version_and_its_hashes() -> None:
    loose = [
        entry
        for entry in _locked()
        if not re.fullmatch(r"[a-z0-9._-]+==[^ ;]+( ;[^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+", entry)
    ]
    assert loose == []


def test_the_lock_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.findall(r"\S*://\S*|--index\S*|--extra-index\S*|--find-links\S*|file:\S*", text) == []


def test_the_lock_holds_everything_that_the_project_asks_for() -> None:
    project = _project()
    assert isinstance(project["project"], dict)
    assert isinstance(project["dependency-groups"], dict)
    asked = _named(project["project"]["dependencies"] + project["dependency-groups"]["dev"])
    assert asked - {entry.split("==")[0] for entry in _locked()} == set()


# the packages


def _without_environment(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in {".git", ".venv", "dist", "build"} or name.endswith(("_cache", "__"))}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Paths in the wheel and in the sdist, built from a tree in which secrets and databases lie around."""
    tree = tmp_path_factory.mktemp("build") / "tree"
    shutil.copytree(ROOT, tree, ignore=_without_environment)
    for path in LEFT_LYING_AROUND:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("client_secret = 'not for anybody'", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "hatchling", "build"], cwd=tree, check=True, capture_output=True)

    (wheel,) = (tree / "dist").glob("*.whl")
    (sdist,) = (tree / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    return {"wheel": in_wheel, "sdist": in_sdist}


def _shipped() -> set[str]:
    """The modules, SQL and type marker that belong to a user, below the folder of the package."""
    return {
        file.relative_to(PACKAGE).as_posix()
        for folder in (PACKAGE, PACKAGE / "source")
        for file in folder.rglob("*")
        if file.suffix in {".py", ".sql"} or file.name == "py.typed"
    }


def test_the_wheel_holds_every_module_and_view(packages: dict[str, set[str]]) -> None:
    assert {f"dlt_threecx/{path}" for path in _shipped()} - packages["wheel"] == set()
    assert "dlt_threecx/source/walk.py" in packages["wheel"]
    assert "dlt_threecx/py.typed" in packages["wheel"]


def test_the_sdist_holds_every_module_and_view(packages: dict[str, set[str]]) -> None:
    assert {f"pipelines/dlt_threecx/{path}" for path in _shipped()} - packages["sdist"] == set()
    assert "sources/threecx/walk.py" in packages["sdist"]


@pytest.mark.parametrize("package", ["wheel", "sdist"])
def test_a_package_holds_no_secret_and_no_database(packages: dict[str, set[str]], package: str) -> None:
    private = re.compile(r"(^|/)secrets\.toml$|\.duckdb|(^|/)\.threecx/|state\.json$")
    assert [path for path in packages[package] if private.search(path)] == []


def test_the_wheel_installs_one_top_level_name(packages: dict[str, set[str]]) -> None:
    names = {path.partition("/")[0] for path in packages["wheel"]}
    assert {name for name in names if not name.endswith(".dist-info")} == {"dlt_threecx"}


def test_the_sdist_can_be_checked_by_whoever_has_only_it(packages: dict[str, set[str]]) -> None:
    expected = {
        ".dlt/config.toml",
        ".dlt/secrets.toml.example",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "pyproject.toml",
        "requirements.lock",
        "tests/conftest.py",
        "tests/test_repository.py",
    }
    assert expected - packages["sdist"] == set()
