"""`threecx demo`: what it replaces, and what it leaves alone. What it shows is tested with the documents."""

from pathlib import Path

import pytest

from dlt_threecx.cli.commands.demo import _MARK, _make_room
from dlt_threecx.source.errors import SettingsError


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_and_an_empty_one_get_the_mark(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        _make_room(tmp_path / name)
        assert _files(tmp_path / name) == {"README.txt": _MARK.encode()}


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    _make_room(tmp_path / "demo")
    (tmp_path / "demo" / "phones.duckdb").write_bytes(b"old")
    _make_room(tmp_path / "demo")
    assert _files(tmp_path / "demo") == {"README.txt": _MARK.encode()}


@pytest.mark.parametrize(
    "files",
    [
        {"README.txt": b"my notes\n"},
        {"README.txt": b"", "notes": b"mine"},
        {"README.txt": b"About threecx demo: This folder was made by threecx demo; the next demo replaces it.\n"},
        {"README.TXT": _MARK.encode()},
        {"sub/README.txt": _MARK.encode()},
        {"README.txt/inner": b"a folder of that name"},
        {"README.txt": b"\xff\xfe"},
    ],
)
def test_a_folder_of_somebody_else_stays_as_it_is(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = tmp_path / "demo"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with pytest.raises(SettingsError, match="stays as it is"):
        _make_room(folder)
    assert _files(folder) == files


def test_a_link_to_a_marked_folder_is_not_followed(tmp_path: Path) -> None:
    _make_room(tmp_path / "real")
    (tmp_path / "demo").symlink_to(tmp_path / "real")
    with pytest.raises(SettingsError):
        _make_room(tmp_path / "demo")
    assert _files(tmp_path / "real") == {"README.txt": _MARK.encode()}
