"""Settings: where they may stand, what wins, and what is said about one that is wrong."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from dlt_threecx.settings.config import Config, RunConfig, load_config, load_destination, load_pbx_names
from dlt_threecx.settings.keys import KEYS, RUN_KEYS, variable
from dlt_threecx.source.errors import SettingsError
from dlt_threecx.source.settings import Settings

SECRET = "pw-secret-of-the-tests"
KEY = {"SOURCES__THREECX__CLIENT_ID": "id", "SOURCES__THREECX__CLIENT_SECRET": SECRET}
ONE = {"SOURCES__THREECX__BASE_URL": "https://pbx.example.com", **KEY}

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str) -> None:
        path = tmp_path / ".dlt" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600)

    return write


def _error(project: Path, environ: dict[str, str], only: tuple[str, ...] = ()) -> str:
    with pytest.raises(SettingsError) as caught:
        load_config(project, environ, only=only)
    assert caught.value.exit_code == 2
    assert SECRET not in str(caught.value)
    return str(caught.value)


def _bases(config: Config) -> dict[str, str]:
    return {name: pbx.settings.base_url for name, pbx in config.pbxs.items()}


@pytest.mark.parametrize(("pbxs", "setting", "parallel"), [(1, "", 1), (40, "", 40), (70, "", 64), (70, "3", 3)])
def test_all_pbxs_are_read_at_once_up_to_64_unless_set(tmp_path: Path, pbxs: int, setting: str, parallel: int) -> None:
    environ = {variable("base_url", f"pbx{number}"): "https://pbx.example.com" for number in range(pbxs)}
    environ |= {variable("client_id"): "id", variable("client_secret"): "secret"}
    if setting:
        environ[variable("parallel")] = setting
    assert load_config(tmp_path, environ).parallel == parallel


# which PBXs


def test_one_pbx_needs_no_name(tmp_path: Path) -> None:
    config = load_config(tmp_path, ONE)
    assert _bases(config) == {"default": "https://pbx.example.com"}
    assert config.run == RunConfig(volatile=("online",), parallel=None, busy_timeout_seconds=30.0)
    assert config.destination == "duckdb"
    assert config.warnings == ()


def test_named_pbxs_come_from_both_files_and_the_environment_and_push_the_default_out(
    tmp_path: Path, write: Write
) -> None:
    write(
        "config.toml",
        '[sources.threecx]\nbase_url = "https://shared.example.com"\n'
        '[sources.threecx.pbx.hq]\nbase_url = "https://hq.example.com:5001"\n'
        "[sources.threecx.pbx.lent]\n",
    )
    write("secrets.toml", '[sources.threecx.pbx."a.b"]\nbase_url = "https://ab.example.com"\n')
    config = load_config(tmp_path, {**KEY, "SOURCES__THREECX__PBX__LEEDS__BASE_URL": "https://leeds.example.com"})
    assert _bases(config) == {
        "a.b": "https://ab.example.com",
        "hq": "https://hq.example.com:5001",
        "leeds": "https://leeds.example.com",
        "lent": "https://shared.example.com",
    }


def test_the_environment_reaches_a_name_with_signs_that_no_shell_allows(tmp_path: Path, write: Write) -> None:
    write("config.toml", "[sources.threecx.pbx.New-York]\n")
    config = load_config(tmp_path, {**KEY, "SOURCES__THREECX__PBX__NEW_YORK__BASE_URL": "https://ny.example.com"})
    assert _bases(config) == {"New-York": "https://ny.example.com"}


def test_only_some_pbxs_are_read_and_the_others_may_be_unfinished(tmp_path: Path, write: Write) -> None:
    write("config.toml", '[sources.threecx.pbx.hq]\nbase_url = "https://hq.example.com"\n[sources.threecx.pbx.new]\n')
    assert list(load_config(tmp_path, KEY, only=["hq", "hq"]).pbxs) == ["hq"]
    assert _error(tmp_path, KEY, ("new",)).startswith("setting base_url of PBX 'new': it is missing. ")


def test_an_unknown_pbx_is_named_with_the_likely_one(tmp_path: Path, write: Write) -> None:
    write("config.toml", "[sources.threecx.pbx.leeds]\n[sources.threecx.pbx.hq]\n")
    assert _error(tmp_path, KEY, ("leed",)) == ("PBX 'leed': there is no such PBX. Did you mean 'leeds'?")


@pytest.mark.parametrize("name", ["a b", "a/b", "ü", "", "x" * 300])
def test_a_pbx_name_that_cannot_stand_everywhere_is_refused(tmp_path: Path, write: Write, name: str) -> None:
    write("config.toml", f'[sources.threecx.pbx."{name}"]\n')
    assert "this is no usable name" in _error(tmp_path, KEY)


def test_two_names_that_the_environment_cannot_tell_apart_are_refused(tmp_path: Path, write: Write) -> None:
    write("config.toml", "[sources.threecx.pbx.a-b]\n[sources.threecx.pbx.a_b]\n")
    assert "in the environment it would be the same as 'a-b'" in _error(tmp_path, KEY)


def test_names_are_known_without_secrets(tmp_path: Path, write: Write) -> None:
    assert load_pbx_names(tmp_path, {}) == []
    assert load_pbx_names(tmp_path, {"SOURCES__THREECX__BASE_URL": "https://pbx.example.com"}) == ["default"]
    write("config.toml", "[sources.threecx.pbx.hq]\n")
    assert load_pbx_names(tmp_path, {}) == ["hq"]


# what wins


def test_a_pbx_beats_all_pbxs_and_environment_beats_secrets_beats_config(tmp_path: Path, write: Write) -> None:
    """Six places, strongest first; each step takes the strongest one away."""
    base = '[sources.threecx.pbx.hq]\nbase_url = "https://hq.example.com"\n'
    own, shared = "SOURCES__THREECX__PBX__HQ__PAGE_SIZE", "SOURCES__THREECX__PAGE_SIZE"

    def page_size(environ: dict[str, str], secrets: str, config: str) -> int:
        write("secrets.toml", secrets)
        write("config.toml", config)
        return load_config(tmp_path, KEY | environ).pbxs["hq"].settings.page_size

    for_all = "[sources.threecx]\npage_size = {}\n"
    both = {own: "11", shared: "14"}
    secrets = "[sources.threecx]\npage_size = 15\n[sources.threecx.pbx.hq]\npage_size = 12\n"
    config = for_all.format(16) + base + "page_size = 13\n"
    assert page_size(both, secrets, config) == 11
    assert page_size({shared: "14"}, secrets, config) == 12
    assert page_size({shared: "14"}, for_all.format(15), config) == 13
    assert page_size({shared: "14"}, for_all.format(15), for_all.format(16) + base) == 14
    assert page_size({}, for_all.format(15), for_all.format(16) + base) == 15
    assert page_size({}, "", for_all.format(16) + base) == 16
    assert page_size({}, "", base) == 100


def test_a_placeholder_and_an_empty_variable_set_nothing(tmp_path: Path, write: Write) -> None:
    write(
        "secrets.toml",
        '[sources.threecx]\nclient_id = "shared"\n[sources.threecx.pbx.hq]\nclient_id = "<configure me>"\n',
    )
    environ = {
        "SOURCES__THREECX__PBX__HQ__BASE_URL": "https://hq.example.com",
        "SOURCES__THREECX__CLIENT_SECRET": SECRET,
        "SOURCES__THREECX__PBX__HQ__CLIENT_SECRET": "",
    }
    settings = load_config(tmp_path, environ).pbxs["hq"].settings
    assert (settings.client_id, settings.client_secret) == ("shared", SECRET)


def test_an_empty_text_takes_the_filter_of_all_pbxs_away(tmp_path: Path, write: Write) -> None:
    write("config.toml", "[sources.threecx]\nfilter = \"Id gt 5\"\n[sources.threecx.pbx.hq]\nfilter = ''\n")
    environ = {**KEY, "SOURCES__THREECX__BASE_URL": "https://hq.example.com"}
    assert load_config(tmp_path, environ).pbxs["hq"].settings.filter is None


def test_an_api_key_of_its_own_beats_the_token_of_all(tmp_path: Path, write: Write) -> None:
    write(
        "secrets.toml",
        f'[sources.threecx]\nbase_url = "https://pbx.example.com"\naccess_token = "{SECRET}"\n'
        "[sources.threecx.pbx.hq]\n"
        '[sources.threecx.pbx.own]\nclient_id = "id"\nclient_secret = "s"\n',
    )
    config = load_config(tmp_path, {})
    assert config.pbxs["own"].settings.access_token is None
    assert config.pbxs["hq"].settings.access_token == SECRET


# types


def test_every_setting_of_a_pbx_can_be_set() -> None:
    guards = {"max_removed_percent", "max_removed_devices", "max_clock_skew_minutes"}
    assert set(KEYS) == {field.name for field in fields(Settings)} | guards | set(RUN_KEYS)


def test_text_of_the_environment_gets_the_type_of_its_setting(tmp_path: Path) -> None:
    environ = {
        "PAGE_SIZE": " 50 ",
        "VERIFY_TLS": "False",
        "TIMEOUT_SECONDS": "2.5",
        "MAX_REMOVED_PERCENT": "7",
        "MAX_REMOVED_DEVICES": "9",
        "PARALLEL": "3",
        "BUSY_TIMEOUT_SECONDS": "0",
        "VOLATILE": "online, ip_address",
    }
    config = load_config(tmp_path, ONE | {f"SOURCES__THREECX__{key}": value for key, value in environ.items()})
    pbx = config.pbxs["default"]
    assert (pbx.settings.page_size, pbx.settings.verify_tls, pbx.settings.timeout_seconds) == (50, False, 2.5)
    assert (pbx.max_removed_percent, pbx.max_removed_devices) == (7.0, 9)
    assert config.run == RunConfig(("online", "ip_address"), 3, 0.0)


@pytest.mark.parametrize("text", ['["online"]', "online", " online , "])
def test_a_list_is_json_or_separated_by_commas(tmp_path: Path, text: str) -> None:
    assert load_config(tmp_path, {**ONE, "SOURCES__THREECX__VOLATILE": text}).run.volatile == ("online",)


def test_no_field_needs_to_be_volatile(tmp_path: Path, write: Write) -> None:
    write("config.toml", "[sources.threecx]\nvolatile = []\n")
    assert load_config(tmp_path, ONE).run.volatile == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('page_size = "many"', "'many' is not a whole number. Correct it in .dlt/config.toml [sources.threecx]"),
        ("page_size = 50.5", "50.5 is not a whole number."),
        ("page_size = true", "True is not a whole number."),
        ("page_size = 101", "between 2 and 100."),
        ("timeout_seconds = nan", "between 0.01 and 3600."),
        ('verify_tls = "perhaps"', "'perhaps' is not true or false."),
        ("filter = 7", "7 is not a text in quotes."),
        ("client_secret = 7", "its value is not a text in quotes."),
        ('volatile = "[7"', "'[7' is not a list of texts"),
        ("volatile = [7]", "[7] is not a list of texts"),
        ('volatile = ["on_line"]', "'on_line' is no device column. Did you mean 'online'?"),
        ("parallel = 0", "0 is not between 1 and 64."),
        ("max_removed_percent = 101", "101 is not between 0 and 100."),
        ('consistency = "thrice"', "'thrice' is unknown. Use once or twice"),
        ('base_url = "ftp://x"', "'ftp://x' is no http(s) address of a PBX."),
    ],
)
def test_a_value_that_makes_no_sense_is_quoted_and_placed(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch, line: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write("config.toml", f"[sources.threecx]\n{line}\n")
    environ = {**ONE}
    environ.pop(f"SOURCES__THREECX__{line.split(' ')[0].upper()}", None)
    assert expected in _error(Path(), environ)


# what is said


def test_a_missing_secret_names_file_key_and_variable(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _error(Path(), {"SOURCES__THREECX__BASE_URL": "https://pbx.example.com"}) == (
        'setting client_id: it is missing. Put client_id = "…" under [sources.threecx] in .dlt/secrets.toml, '
        "or set SOURCES__THREECX__CLIENT_ID"
    )
    write("config.toml", '[sources.threecx.pbx.hq]\nbase_url = "https://hq.example.com"\n')
    write("secrets.toml", '[sources.threecx]\nclient_id = "id"\nclient_secret = "<configure me>"\n')
    assert _error(Path(), {}) == (
        "setting client_secret of PBX 'hq': it still is the placeholder in .dlt/secrets.toml. "
        'Put client_secret = "…" under [sources.threecx.pbx.hq] or [sources.threecx] in .dlt/secrets.toml, '
        "or set SOURCES__THREECX__PBX__HQ__CLIENT_SECRET or SOURCES__THREECX__CLIENT_SECRET"
    )


def test_a_missing_address_names_the_file_of_another_project_in_full(tmp_path: Path) -> None:
    assert _error(tmp_path, KEY) == (
        'setting base_url: it is missing. Put base_url = "https://pbx.example.com:5001" under [sources.threecx] '
        f"in {tmp_path}/.dlt/config.toml, or set SOURCES__THREECX__BASE_URL"
    )


@pytest.mark.parametrize(
    ("toml", "environ", "expected"),
    [
        ("base_ulr = 'x'", {}, "in .dlt/config.toml [sources.threecx]: it is unknown. Did you mean 'base_url'?"),
        ("[sources.threecx.pbxs.hq]", {}, "in .dlt/config.toml [sources.threecx]: it is unknown. Did you mean 'pbx'?"),
        ("", {"PAGESIZE": "5"}, "pagesize in SOURCES__THREECX__PAGESIZE: it is unknown. Did you mean 'page_size'?"),
        ("", {"PBX__HQ__URL": "x"}, "url in SOURCES__THREECX__PBX__HQ__URL: it is unknown. "),
        ("[sources.threecx.pbx.hq]\nparallel = 2", {}, "it holds for all PBXs. Put it under [sources.threecx]"),
        ("[sources.threecx.pbx.a.b]", {}, "b in .dlt/config.toml [sources.threecx.pbx.a]: it is unknown."),
        ("pbx = 'hq'", {}, "'pbx' is a value, not a table."),
    ],
)  # fmt: skip
def test_an_unknown_setting_is_refused_with_the_likely_one(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch, toml: str, environ: dict[str, str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write("config.toml", f"[sources.threecx]\n{toml}\n")
    assert expected in _error(Path(), ONE | {f"SOURCES__THREECX__{key}": value for key, value in environ.items()})


def test_arguments_of_the_dlt_source_may_stand_in_the_same_section(tmp_path: Path, write: Write) -> None:
    write("config.toml", "[sources.threecx]\ntop = 5\nexpand = 'DN'\ncount = true\n")
    environ = {**ONE, "SOURCES__THREECX__SELECT": "Id", "SOURCES__THREECX__SIP_DEVICES__WRITE_DISPOSITION": "append"}
    assert list(load_config(tmp_path, environ).pbxs) == ["default"]


@pytest.mark.parametrize("name", ["config.toml", "secrets.toml"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"[sources", "it is no valid TOML: "), (b'a = "\xe9"', "it is no UTF-8 text"), (b"sources = 1", "not a table")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / name).write_bytes(content)
    error = _error(tmp_path, ONE)
    assert error.startswith(f"{tmp_path}/.dlt/{name}: ")
    assert expected in error


def test_no_secret_shows_in_the_settings(tmp_path: Path) -> None:
    environ = {**ONE, "SOURCES__THREECX__ACCESS_TOKEN": SECRET, "SOURCES__THREECX__FINGERPRINT_KEY": SECRET}
    assert SECRET not in repr(load_config(tmp_path, environ))


# warnings


def test_open_and_misplaced_secrets_and_unverified_tls_are_warned_of(tmp_path: Path, write: Write) -> None:
    write("secrets.toml", '[sources.threecx]\nclient_id = "id"\n')
    (tmp_path / ".dlt" / "secrets.toml").chmod(0o640)
    write("config.toml", f'[sources.threecx]\nclient_secret = "{SECRET}"\nverify_tls = false\n')
    warnings = load_config(tmp_path, {"SOURCES__THREECX__BASE_URL": "https://pbx.example.com"}).warnings
    folder = tmp_path / ".dlt"
    assert warnings == (
        f"{folder}/secrets.toml can be read by other users of this machine: chmod 600 {folder}/secrets.toml",
        f"client_secret is a secret: move it from {folder}/config.toml to secrets.toml",
        "verify_tls = false: whoever is between here and PBX 'default' can read its API key",
    )


# the rest


def test_the_destination_comes_from_the_pipeline_section(tmp_path: Path, write: Write) -> None:
    assert load_destination(tmp_path, {}) == "duckdb"
    write("config.toml", "[pipeline]\ndestination_name = 'postgres'\n")
    assert load_config(tmp_path, ONE).destination == "postgres"
    assert load_destination(tmp_path, {"PIPELINE__DESTINATION_NAME": "filesystem"}) == "filesystem"


def test_a_certificate_file_is_looked_for_in_the_project(tmp_path: Path, write: Write) -> None:
    write("config.toml", "[sources.threecx]\nca_file = 'ca.pem'\n")
    assert load_config(tmp_path, ONE).pbxs["default"].settings.ca_file == str(tmp_path / "ca.pem")
