"""The repository keeps its own promises: layout, import rules, lock, and what the packages hold."""

import ast
import graphlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import settings_of

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
    "sources/phones.duckdb",
    "tests/phones.duckdb",
    "phones.duckdb",
    "phones.duckdb.wal",
)
"""Files that a user or a developer has after a first sync, at the likely and the unlikely places."""


# layout


def test_the_reader_stands_in_the_package_by_a_link_and_not_as_a_copy() -> None:
    link = PACKAGE / "source"
    if not (ROOT / ".git").exists():
        pytest.skip("an sdist has no links: it holds the reader twice")
    assert link.is_symlink()
    assert link.readlink() == Path("../../sources/threecx")


def test_no_folder_is_crowded_and_every_one_says_what_it_holds() -> None:
    modules = Counter(file.parent for file in PACKAGE.rglob("*.py"))
    crowded = {str(folder.relative_to(PACKAGE)) for folder, count in modules.items() if count > 17}
    assert crowded <= {"cli/commands"}, "only the commands, a file each, may be many"
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


@dataclass(frozen=True)
class Packages:
    """An sdist that was built from the repository, and the wheel that was built from the sdist."""

    sdist: Path
    wheel: Path

    def paths(self, kind: str) -> set[str]:
        """What is in one of them."""
        if kind == "wheel":
            with zipfile.ZipFile(self.wheel) as archive:
                return set(archive.namelist())
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Built from a tree in which secrets and databases lie around."""
    folder = tmp_path_factory.mktemp("build")
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=_without_environment, symlinks=True)
    for path in LEFT_LYING_AROUND:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("client_secret = 'not for anybody'", encoding="utf-8")
    sdist = _built("sdist", tree)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return Packages(sdist, _built("wheel", unpacked))


def _built(target: str, tree: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (package,) = (tree / "dist").iterdir()
    return package


def _shipped() -> set[str]:
    """The modules, SQL and type marker that belong to a user, below the folder of the package."""
    return {
        file.relative_to(PACKAGE).as_posix()
        for folder in (PACKAGE, PACKAGE / "source")
        for file in folder.rglob("*")
        if file.suffix in {".py", ".sql"} or file.name == "py.typed"
    }


def test_the_wheel_holds_every_module_and_view(packages: Packages) -> None:
    assert {f"dlt_threecx/{path}" for path in _shipped()} - packages.paths("wheel") == set()
    assert "dlt_threecx/source/walk.py" in packages.paths("wheel")
    assert "dlt_threecx/py.typed" in packages.paths("wheel")


def test_the_sdist_holds_every_module_and_view(packages: Packages) -> None:
    assert {f"pipelines/dlt_threecx/{path}" for path in _shipped()} - packages.paths("sdist") == set()
    assert "sources/threecx/walk.py" in packages.paths("sdist")


@pytest.mark.parametrize("package", ["wheel", "sdist"])
def test_a_package_holds_no_secret_and_no_database(packages: Packages, package: str) -> None:
    private = re.compile(r"(^|/)secrets\.toml$|\.duckdb|(^|/)\.threecx/|state\.json$")
    assert [path for path in packages.paths(package) if private.search(path)] == []


@pytest.fixture(scope="module")
def installed(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel was installed, without its dependencies."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", "--target"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, target, packages.wheel], check=True)
    return target


def test_the_wheel_installs_one_top_level_name(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert names == {"dlt_threecx", "bin"}
    assert [path.name for path in (installed / "bin").iterdir()] == ["threecx"]


def test_it_works_beside_packages_that_have_the_names_of_our_folders(installed: Path, tmp_path: Path) -> None:
    for name in ("pipelines", "sources", "threecx", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('{name} was imported')", encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, installed)))}

    def ran(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import dlt_threecx.cli; print(dlt_threecx.cli.__file__)"
    assert ran(sys.executable, "-c", where).startswith(str(installed))
    version = ran(str(installed / "bin" / "threecx"), "--version")
    assert version == ran(sys.executable, "-m", "dlt_threecx", "--version")
    with Simulator(Fleet(devices=3)) as pbx:
        environ |= settings_of(pbx)
        ran(sys.executable, "-m", "dlt_threecx", "sync", "--db", "phones.duckdb")
    counted = ran(
        str(installed / "bin" / "threecx"),
        *("sql", "--db", "phones.duckdb", "--format", "csv", "select count(*) as n from devices"),
    )
    assert counted == "n\n3\n"


def test_no_address_of_a_project_page_is_invented() -> None:
    project = _project()["project"]
    assert isinstance(project, dict)
    assert "urls" not in project


def test_the_sdist_can_be_checked_by_whoever_has_only_it(packages: Packages) -> None:
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
    assert expected - packages.paths("sdist") == set()
