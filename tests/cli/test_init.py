"""`threecx init`: asks, tests and writes; no secret is shown, and nothing is replaced without a question."""

from __future__ import annotations

import os
import pty
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dlt_threecx.cli.commands.init import init
from dlt_threecx.settings.config import load_config
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import CredentialsError, SettingsError, UnreachableError
from tests.commands import ROOT
from tests.source.scripted import Scripted, json_reply, with_token

COMMENTED = """\
# my own words
[sources.threecx]
page_size = 50    # half of it

[runtime]
log_level = "WARNING"
"""


@pytest.fixture(scope="module")
def pbx() -> Iterator[Simulator]:
    with Simulator(Fleet(devices=12, seed=1)) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path, pbx: Simulator) -> Path:
    file = tmp_path / "key.txt"
    file.write_text(pbx.client_secret + "\n", encoding="utf-8")
    return file


def _init(project: Path, *args: str | Path) -> None:
    init.main([*map(str, args), "--project", str(project)], standalone_mode=False)


def _options(pbx: Simulator, key: Path) -> list[str | Path]:
    return ["--base-url", pbx.base_url, "--client-id", pbx.client_id, "--client-secret-file", key]


def _config(project: Path) -> str:
    return (project / ".dlt" / "config.toml").read_text(encoding="utf-8")


def _secrets(project: Path) -> str:
    return (project / ".dlt" / "secrets.toml").read_text(encoding="utf-8")


def _devices(project: Path, name: str = "default") -> object:
    """What a client with the written settings counts."""
    with closing(Client(load_config(project, {}).pbxs[name].settings)) as client:
        return client.get("SipDevices", "$top=1&$count=true")["@odata.count"]


def test_options_make_settings_that_work(
    tmp_path: Path, pbx: Simulator, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "new"
    _init(project, *_options(pbx, key), "--fingerprints")
    assert _devices(project) == 12
    assert load_config(project, {}).warnings == ()
    assert len(load_config(project, {}).pbxs["default"].settings.fingerprint_key or "") == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert "12 devices" in err
    assert f"threecx sync --project {project}" in err
    assert pbx.client_secret not in err + _config(project)


def test_only_the_owner_can_read_the_secrets(tmp_path: Path, pbx: Simulator, key: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    secrets = tmp_path / ".dlt" / "secrets.toml"
    secrets.write_text("# kept\n", encoding="utf-8")
    secrets.chmod(0o644)
    umask = os.umask(0)
    try:
        _init(tmp_path, *_options(pbx, key))
    finally:
        os.umask(umask)
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert secrets.read_text(encoding="utf-8").startswith("# kept\n")
    assert sorted(file.name for file in (tmp_path / ".dlt").iterdir()) == ["config.toml", "secrets.toml"]


def test_the_environment_will_do(tmp_path: Path, pbx: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("base_url", pbx.base_url), ("client_id", pbx.client_id), ("client_secret", pbx.client_secret)):
        monkeypatch.setenv(variable(name), value)
    _init(tmp_path)
    assert _devices(tmp_path) == 12


def test_without_a_terminal_what_is_missing_is_named(tmp_path: Path, pbx: Simulator) -> None:
    with pytest.raises(SettingsError, match=r"--client-secret-file, or set SOURCES__THREECX__CLIENT_SECRET"):
        _init(tmp_path, "--base-url", pbx.base_url, "--client-id", "x")
    assert not (tmp_path / ".dlt").exists()


def test_a_key_that_does_not_work_is_not_written(tmp_path: Path, pbx: Simulator, key: Path) -> None:
    key.write_text("wrong", encoding="utf-8")
    with pytest.raises(CredentialsError):
        _init(tmp_path, *_options(pbx, key))
    assert not (tmp_path / ".dlt").exists()
    _init(tmp_path, *_options(pbx, key), "--no-test")
    assert "wrong" in _secrets(tmp_path)


def test_comments_and_other_settings_stay(tmp_path: Path, pbx: Simulator, key: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(COMMENTED, encoding="utf-8")
    _init(tmp_path, *_options(pbx, key))
    assert [line for line in _config(tmp_path).splitlines() if "base_url" not in line] == COMMENTED.splitlines()


def test_a_value_is_replaced_only_when_told(tmp_path: Path, pbx: Simulator, key: Path) -> None:
    _init(tmp_path, *_options(pbx, key))
    before = _config(tmp_path), _secrets(tmp_path)
    with pytest.raises(SettingsError, match=f"base_url is already set to {pbx.base_url}.*--overwrite"):
        _init(tmp_path, "--base-url", "https://other.example.com")
    key.write_text("another", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"client_secret is already set\."):
        _init(tmp_path, "--client-secret-file", key)
    assert (_config(tmp_path), _secrets(tmp_path)) == before
    _init(tmp_path, "--base-url", "https://other.example.com", "--overwrite", "--no-test")
    assert load_config(tmp_path, {}).pbxs["default"].settings.base_url == "https://other.example.com"


def test_one_more_pbx_leaves_the_first_as_it_was(tmp_path: Path, pbx: Simulator, key: Path) -> None:
    _init(tmp_path, *_options(pbx, key))
    _init(tmp_path, "--pbx", "leeds", *_options(pbx, key))
    assert set(load_config(tmp_path, {}).pbxs) == {"default", "leeds"}
    assert _devices(tmp_path, "default") == _devices(tmp_path, "leeds") == 12
    assert "[sources.threecx.pbx.leeds]" in _config(tmp_path)
    with pytest.raises(SettingsError, match="--pbx NAME"):
        _init(tmp_path, *_options(pbx, key))
    with pytest.raises(SettingsError, match="this is no usable name"):
        _init(tmp_path, "--pbx", "a b", *_options(pbx, key))


@pytest.fixture
def secure(certificate: Path) -> Iterator[Scripted]:
    with Scripted(with_token(lambda _: json_reply({"@odata.count": 3, "value": []})), certificate) as server:
        yield server


@pytest.fixture
def secure_options(secure: Scripted, key: Path) -> list[str | Path]:
    return ["--base-url", secure.settings().base_url, "--client-id", "x", "--client-secret-file", key]


def test_a_self_signed_certificate_is_shown_and_trusted_only_by_its_fingerprint(
    tmp_path: Path, secure_options: list[str | Path], certificate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnreachableError, match="certificate"):
        _init(tmp_path, *secure_options)
    assert not (tmp_path / ".dlt").exists()
    [shown] = re.findall(r"SHA-256 fingerprint is ([0-9A-F:]{95})", capsys.readouterr().err)
    openssl = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(certificate)]
    assert shown in subprocess.run(openssl, capture_output=True, encoding="ascii", check=True).stdout
    with pytest.raises(SettingsError, match="another certificate"):
        _init(tmp_path, *secure_options, "--trust", "00" * 32)
    _init(tmp_path, *secure_options, "--trust", shown.lower().replace(":", ""))
    assert 'ca_file = ".dlt/pbx.pem"' in _config(tmp_path)
    assert "verify_tls" not in _config(tmp_path)
    assert "PRIVATE KEY" not in (tmp_path / ".dlt" / "pbx.pem").read_text(encoding="ascii")
    assert _devices(tmp_path) == 3


def test_on_a_terminal_everything_is_asked_and_the_key_is_not_shown(tmp_path: Path, pbx: Simulator) -> None:
    answers = [
        ("Address", "ftp://nonsense"),
        ("Address", pbx.base_url),
        ("Client id", pbx.client_id),
        ("API key", pbx.client_secret),
        ("fingerprints", "y"),
    ]
    said = _typed(tmp_path, answers)
    assert "12 devices" in said
    assert pbx.client_secret not in said
    assert _devices(tmp_path) == 12


def test_on_a_terminal_a_self_signed_certificate_is_asked_about(
    tmp_path: Path, secure: Scripted, secure_options: list[str | Path]
) -> None:
    address = str(secure_options[1])
    questions = [("Address", address), ("Client id", "x"), ("API key", "k"), ("fingerprints", "n")]
    said = _typed(tmp_path, [*questions, ("Is it the same?", "y")])
    assert "SHA-256 fingerprint is" in said
    assert _devices(tmp_path) == 3


def test_on_a_terminal_enter_keeps_what_is_there(tmp_path: Path, pbx: Simulator, key: Path) -> None:
    _init(tmp_path, *_options(pbx, key), "--fingerprints")
    before = _config(tmp_path), _secrets(tmp_path)
    _typed(tmp_path, [("Address", ""), ("Client id", ""), ("Keep it?", "")])
    assert (_config(tmp_path), _secrets(tmp_path)) == before


def _typed(project: Path, answers: list[tuple[str, str]]) -> str:
    """Runs `threecx init` on a terminal, and answers each question once it stands there."""
    ours, theirs = pty.openpty()
    code = "from dlt_threecx.cli import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", code, "init"],
        cwd=project,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "pipelines")},
    )
    os.close(theirs)
    said, seen = "", 0
    deadline = time.monotonic() + 60
    try:
        for question, answer in answers:
            while question not in said[seen:]:
                assert time.monotonic() < deadline, said
                said += os.read(ours, 4096).decode()
            seen = len(said)
            os.write(ours, f"{answer}\n".encode())
        while chunk := _rest(ours):
            said += chunk
        assert running.wait(60) == 0, said
    finally:
        running.kill()
        running.wait()
        os.close(ours)
    return said


def _rest(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode()
    except OSError:  # the other end is closed
        return ""
