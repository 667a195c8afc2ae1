"""The command line as a whole: help, what it imports, and how commands end."""

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from dlt_threecx.cli import COMMANDS
from dlt_threecx.cli.exit_codes import exit_code_of
from dlt_threecx.cli.lazy_group import LazyGroup
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import ProtocolError
from tests.commands import python, settings_of, threecx

GOLDEN = Path(__file__).parents[1] / "golden" / "help"
REGENERATE = "REGENERATE"
"""`REGENERATE=1 pytest tests/cli/test_cli.py` writes the golden files; read the difference."""

SLOW = {"dlt", "duckdb", "numpy", "orjson", "pandas", "pyarrow", "requests", "rich", "sqlglot", "urllib3"}


# help


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_as_it_was_read_and_approved(tmp_path: Path, command: str) -> None:
    ran = threecx(*command.split(), "--help", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    golden = GOLDEN / f"{command or 'threecx'}.txt"
    if os.environ.get(REGENERATE):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(ran.out, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == ran.out
    assert re.search(rf"Examples:\n  +threecx {command}", ran.out)


def test_no_golden_help_outlives_its_command() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == {"threecx", *COMMANDS}


def test_the_line_in_the_overview_is_the_first_line_of_the_help(tmp_path: Path) -> None:
    for command, (_, line) in COMMANDS.items():
        help_text = (GOLDEN / f"{command}.txt").read_text(encoding="utf-8")
        assert help_text.split("\n\n")[1].strip() == line


def test_without_a_command_there_is_help(tmp_path: Path) -> None:
    ran = threecx(folder=tmp_path)
    assert (ran.code, ran.out) == (0, (GOLDEN / "threecx.txt").read_text(encoding="utf-8"))


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    ran = threecx("--version", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"threecx, version \d+\.\d+\.\d+\n", ran.out)


# modules that a command loads


def _imported(tmp_path: Path, *args: str) -> set[str]:
    code = (
        "import sys, dlt_threecx.cli as cli\n"
        "code = cli.exit_code_of(cli.cli, sys.argv[1:])\n"
        "print('imported:', *sys.modules, file=sys.stderr)\n"
    )
    modules = python("-c", code, *args, folder=tmp_path).err.partition("imported: ")[2].split()
    # Without this a command that never ran would import nothing slow.
    assert "dlt_threecx.cli.exit_codes" in modules
    command = f"dlt_threecx.cli.commands.{args[0]}"
    assert (command in modules) == (args[0] in COMMANDS)
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["nonsense"]])
def test_help_needs_click_and_the_standard_library_only(tmp_path: Path, args: list[str]) -> None:
    imported = {name for name in _imported(tmp_path, *args) if not name.startswith("_")}
    assert "click" in imported
    assert imported & SLOW == set()


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a history, so that a question gets as far as its answer."""
    folder = tmp_path_factory.mktemp("past")
    with Simulator(Fleet(devices=3)) as pbx:
        assert threecx("sync", folder=folder, **settings_of(pbx)).code == 0
    return folder


@pytest.mark.parametrize(
    "question",
    [
        "status",
        "devices",
        "changes",
        "findings",
        "diff 0s 0h",
        "history 101",
        "sql select+1",
        "verify",
        "devices --at 0h",
    ],
)
def test_a_question_is_answered_without_dlt_and_requests(past: Path, question: str) -> None:
    code = (
        "import sys, dlt_threecx.cli as cli\n"
        "code = cli.exit_code_of(cli.cli, [arg.replace('+', ' ') for arg in sys.argv[1:]])\n"
        "print(code, *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    ended, *imported = python("-c", code, *question.split(), folder=past).err.splitlines()[-1].split()
    assert ended == "0"
    assert "duckdb" in imported
    assert set(imported) & (SLOW - {"duckdb", "orjson"}) == set()


def test_a_sync_imports_only_what_it_needs(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=3)) as pbx:
        code = (
            "import atexit, sys, dlt_threecx.cli as cli\n"
            "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
            "cli.main()\n"
        )
        ran = python("-c", code, "sync", folder=tmp_path, **settings_of(pbx))
    assert ran.code == 0
    imported = set(ran.err.splitlines()[-1].split())
    assert imported >= {"dlt", "pyarrow"}
    # The first three take half a second together.
    unused = {"numpy", "pandas", "sqlalchemy", "dlt_threecx.notify.announce", "dlt_threecx.publish.publication"}
    if sys.platform == "linux":
        # It is the second process that reads.
        unused |= {"requests", "urllib3"}
    assert imported & unused == set()


@pytest.mark.parametrize("command", ["check", "list", "simulate"])
def test_a_command_that_loads_nothing_imports_no_dlt(tmp_path: Path, command: str) -> None:
    assert _imported(tmp_path, command, "--help") & {"dlt", "duckdb", "pyarrow"} == set()


# usage


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["statsu"], "No such command 'statsu'. Did you mean 'status'? See: threecx --help"),
        (["--nonsense"], "--nonsense"),
        (["devices", "--fromat", "json"], "See: threecx devices --help"),
        (["devices", "--at", "soon"], "'soon' is no time such as 2026-11-01, 2026-11-01T07:30, yesterday or 7d (ago)"),
        (["status", "--max-age", "old"], "'old' is no length of time such as 7d, 26h or 30m"),
        (["changes", "--field", "vendr"], "'vendr' is no device column. Did you mean 'vendor'?"),
        (["list", "--top", "many"], "'many' is not a valid integer"),
        (["history"], "Missing argument 'DEVICE'."),
        (["check", "--project", "nowhere"], "'nowhere' does not exist"),
        (["simulate", "--fault", "bad_luck"], "'bad_luck' is not one of"),
        (["sync", "--accept", "shrink"], "--accept and --because need each other."),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(tmp_path: Path, args: list[str], expected: str) -> None:
    ran = threecx(*args, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("threecx: error: ")
    assert ran.err.count("\n") == 1
    assert expected in ran.err


# how commands end


def _ended(error: BaseException, *, debug: bool = False) -> int:
    """Exit code of a command that raises this."""

    @click.command()
    def fail() -> None:
        if debug:
            from dlt_threecx.cli import stderr

            stderr.listen(2)
        raise error

    group = LazyGroup(commands_by_name={"fail": ("unused:unused", "")})
    group.get_command = lambda *_: fail  # type: ignore[method-assign]
    return exit_code_of(group, ["fail"])


def test_an_error_is_one_line_and_has_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ended(ProtocolError("GET x", "the PBX\nsaid \x1b[31mno", "Run again")) == 5
    assert capsys.readouterr() == ("", "threecx: error: GET x: the PBX said ?[31mno. Run again\n")


def test_a_bug_is_exit_1_and_keeps_its_words_for_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ended(KeyError("pw-secret-value")) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"threecx: error: KeyError in test_cli.py, line \d+\. This is a bug: "
        r"please report it with what --debug shows\n",
        err,
    )


def test_interrupted_is_exit_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ended(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.strip() == "threecx: error: interrupted"


@pytest.mark.parametrize("code", [0, 5, None])
def test_a_command_gives_its_own_exit_code(code: int | None) -> None:
    @click.command()
    def done() -> Any:
        return code

    group = LazyGroup(commands_by_name={"done": ("unused:unused", "")})
    group.get_command = lambda *_: done  # type: ignore[method-assign]
    assert exit_code_of(group, ["done"]) == (code or 0)


def test_debug_shows_the_traceback_and_nothing_else_does(tmp_path: Path) -> None:
    quiet = threecx("check", folder=tmp_path)
    assert (quiet.code, quiet.err.count("\n")) == (2, 1)
    loud = threecx("check", "--debug", folder=tmp_path)
    assert loud.code == 2
    assert loud.err.startswith("Traceback ")
    assert loud.err.endswith(quiet.err)


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped by SIGTERM: ")]
)
def test_a_signal_that_a_library_turns_into_another_error_is_no_bug(
    number: signal.Signals, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def command() -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as interrupt:
            raise ImportError("numpy") from interrupt

    group = click.Group(commands={"command": command})
    assert exit_code_of(group, ["command"]) == code
    assert capsys.readouterr().err.startswith(f"threecx: error: {said}")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
