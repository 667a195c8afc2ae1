"""Columns out of API rows: nothing lost, nothing secret."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.simulator import SHAPES, Fleet
from dlt_threecx.source.columns import COLUMNS, DLT_COLUMNS
from dlt_threecx.source.device import MAX_PROPERTIES, DeviceReader, normal_mac
from dlt_threecx.source.errors import ProtocolError
from dlt_threecx.source.redaction import is_secret

KEY = "pw-secret-fingerprint"


def row_of(item: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    columns = DeviceReader(key).columns([item])
    return {name: values[0] for name, values in zip(DLT_COLUMNS, columns, strict=True)}


def filled(item: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    """The columns that have a value; `extra` as what its JSON says."""
    row = {name: value for name, value in row_of({"Id": 1, **item}, key).items() if value is not None}
    del row["device_id"]
    if "extra" in row:
        row["extra"] = json.loads(row["extra"])
    return row


# columns


def test_a_row_of_the_published_shape_fills_its_columns() -> None:
    item = {
        "PhoneWebPassword": "pw-secret-1",
        "ProvLink": "pw-secret-2",
        "Registrar": {
            "MAC": "00:15:65:aa:bb:cc",
            "Vendor": "Yealink",
            "Model": "T54W",
            "FirmwareVersion": "96.86.0.100",
            "FirmwareAvailable": "96.86.0.110",
            "UserAgent": "Yealink SIP-T54W 96.86.0.100",
            "IpAddress": "10.0.0.7",
            "InterfaceLink": "pw-secret-3",
            "Capabilities": 7,
        },
        "DN": {
            "Id": 31,
            "Number": "101",
            "Name": "Zoë O'Brien",
            "Type": "Extension",
            "Hidden": False,
            "Tags": ["MS", "Teams"],
        },
    }
    assert filled(item) == {
        "mac": "001565AABBCC",
        "vendor": "Yealink",
        "model": "T54W",
        "firmware_version": "96.86.0.100",
        "firmware_available": "96.86.0.110",
        "user_agent": "Yealink SIP-T54W 96.86.0.100",
        "ip_address": "10.0.0.7",
        "capabilities": 7,
        "dn_id": 31,
        "dn_number": "101",
        "dn_name": "Zoë O'Brien",
        "dn_type": "Extension",
        "dn_hidden": False,
        "dn_tags": '["MS","Teams"]',
    }


def test_a_row_of_the_later_shape_fills_the_rest() -> None:
    item = {
        "Online": True,
        "HotDesking": False,
        "Category": "Supported",
        "AssignedFirmware": "1.2",
        "CustomFirmware": False,
        "Registrar": {
            "FirmwareAvailable": True,
            "Id": 5,
            "FirmwareLatestId": "f",
            "FirmwareOutdated": True,
            "IsDectDevice": False,
            "IsRouter": False,
            "ModelMismatch": True,
            "ProvType": "SBC",
            "ProvLink": "pw-secret-4",
            "RpsCapable": True,
            "RpsExpirationUTC": "2027-03-01T02:00:00+02:00",
            "SbcName": "sbc1",
            "SbcDisplayName": "Branch",
            "TemplateModel": "T54W",
        },
    }
    assert filled(item) == {
        "online": True,
        "hot_desking": False,
        "firmware_category": "Supported",
        "assigned_firmware": "1.2",
        "custom_firmware": False,
        "firmware_available": "true",
        "registrar_id": 5,
        "firmware_latest_id": "f",
        "firmware_outdated": True,
        "is_dect_device": False,
        "is_router": False,
        "model_mismatch": True,
        "prov_type": "SBC",
        "rps_capable": True,
        "rps_expires_at": datetime(2027, 3, 1, tzinfo=UTC),
        "sbc_name": "sbc1",
        "sbc_display_name": "Branch",
        "template_model": "T54W",
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("key", [None, KEY])
def test_every_shape_fits_and_shows_no_secret(shape: str, key: str | None) -> None:
    items = Fleet(devices=300, seed=5, shape=shape).served()
    columns = dict(zip(DLT_COLUMNS, DeviceReader(key).columns(items), strict=True))
    assert "pw-secret" in json.dumps(items)
    assert "pw-secret" not in repr(columns)
    assert columns["device_id"] == [item["Id"] for item in items]
    assert not any(columns["extra"])
    for name in ("phone_web_password_fp", "prov_link_fp", "interface_link_fp"):
        assert any(columns[name]) is (key is not None)
    seen = {name for name, values in columns.items() if any(value is not None for value in values)}
    later = {column.name for column in COLUMNS} - {c for c in seen if c not in ("extra", "device_id")}
    if shape == "later" and key:
        assert not later


def test_nulls_and_missing_properties_are_the_same() -> None:
    nulls = {column.path.partition(".")[0]: None for column in COLUMNS}
    assert filled(nulls) == filled({"DN": {}, "Registrar": {"MAC": None, "New": None}}) == {}


# secrets


@pytest.mark.parametrize(
    "name",
    [
        *("Password", "WEBPASSWORD", "Pass-Word", "Passcode", "ClientSecret", "ApiToken", "AuthID", "Author"),
        *("Credentials", "SIPID", "sip_id", "PIN", "PhonePIN", "PINs", "WebPin", "PinCode", "PINcode", "pincode"),
        *("ApiKey", "API-Key", "APIKEY", "apikey", "Key1", "KeyId", "Link", "Link2", "prov_link", "provlink"),
        *("Ｐｉｎ", "Pi\u200bn"),
    ],
)
def test_a_name_that_tells_of_a_secret_is_one(name: str) -> None:
    assert is_secret(name)
    assert filled({name: "pw-secret-x"}) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("MappingId", "ShippingAddress", "Monkey", "Keyboard", "Opinion", "Topping", "Turkey", "Spin", "Linked"),
        *("Name", "ProvType", "", "?", "x" * 70_000),
    ],
)
def test_a_name_that_only_looks_like_one_is_kept(name: str) -> None:
    assert not is_secret(name)
    assert list(filled({name: 1})) == ["extra"]


@pytest.mark.parametrize("name", ["Password", "webpassword", "AuthSecret", "PIN", "VoicemailPin", "ApiKey", "Link"])
def test_a_secret_by_its_name_never_shows_at_any_depth(name: str) -> None:
    secret = "pw-secret-deep"
    item = {
        name: secret,
        "Registrar": {name: secret, "New": {"Deep": [{name: {"x": secret}, "Fine": 1}]}},
        "DN": {name: [secret], "Tags": [{name: secret, "Tag": "MS"}]},
        "Other": [[{name: secret}]],
        "Vendor": {name: secret},
    }
    for key in (None, KEY):
        row = filled(item, key)
        assert "pw-secret" not in repr(row)
        assert row["dn_tags"] == '[{"Tag":"MS"}]'
        assert row["extra"] == {"Registrar.New": {"Deep": [{"Fine": 1}]}, "Other": [[{}]], "Vendor": {}}


def test_secrets_stay_out_where_an_object_is_expected_and_a_list_comes() -> None:
    item = {"Registrar": [{"MAC": "A", "InterfaceLink": "pw-secret-x"}], "DN": [{"AuthPassword": "pw-secret-y"}]}
    assert filled(item) == {"extra": {"Registrar": [{"MAC": "A"}], "DN": [{}]}}


def test_a_text_column_with_an_object_keeps_no_secret_of_it() -> None:
    assert filled({"Registrar": {"Vendor": {"Key": "pw-secret-x", "Name": "Y"}}}) == {
        "extra": {"Registrar.Vendor": {"Name": "Y"}}
    }


def test_fingerprints_need_a_key_and_tell_secrets_apart() -> None:
    first, same, other = (filled({"PhoneWebPassword": text}, KEY) for text in ("a", "a", "b"))
    assert first == same != other
    assert filled({"PhoneWebPassword": "a"}, "another key") != first
    assert len(first["phone_web_password_fp"]) == 16
    assert filled({"PhoneWebPassword": "a"}) == filled({"PhoneWebPassword": ""}, KEY) == {}


def test_a_secret_has_one_fingerprint_wherever_the_shape_puts_it() -> None:
    early = filled({"Registrar": {"PhoneWebPassword": "a", "ProvLink": "b"}}, KEY)
    assert early == filled({"PhoneWebPassword": "a", "ProvLink": "b"}, KEY)
    both = {"PhoneWebPassword": "a", "Registrar": {"PhoneWebPassword": "z"}}
    assert filled(both, KEY) == filled(dict(reversed(both.items())), KEY) == filled({"PhoneWebPassword": "a"}, KEY)
    empty = {"PhoneWebPassword": "", "Registrar": {"PhoneWebPassword": "z"}}
    assert filled(empty, KEY) == filled({"Registrar": {"PhoneWebPassword": "z"}}, KEY)


@pytest.mark.parametrize("secret", [5, True, 1.5, ["a"], {"a": 1}, "\udc00"])
def test_a_secret_of_any_type_leaves_only_its_fingerprint(secret: Any) -> None:
    assert list(filled({"ProvLink": secret}, KEY)) == ["prov_link_fp"]
    assert filled({"ProvLink": secret}) == {}


# odd values


@pytest.mark.parametrize(
    "text", [" ", " a ", "a\nb\r\n\tc", '"', "'", "\\", "\U0001f4de", "ﷺ", "\u202e", "=1+1", "NULL", "\ufffd"]
)
def test_texts_are_kept_as_they_came(text: str) -> None:
    assert filled({"DN": {"Name": text}, "New": text}) == {"dn_name": text, "extra": {"New": text}}


@pytest.mark.parametrize(
    ("given", "mac"),
    [
        ("001565AABBCC", "001565AABBCC"),
        ("00:15:65:aa:bb:cc", "001565AABBCC"),
        ("00-15-65-AA-BB-CC", "001565AABBCC"),
        ("0015.65aa.bbcc", "001565AABBCC"),
        (" 001565aabbcc ", "001565AABBCC"),
        ("001565AABBC", "001565AABBC"),
        ("００1565AABBCC", "００1565AABBCC"),
        ("softphone", "softphone"),
    ],
)
def test_a_mac_address_is_twelve_capital_digits_and_anything_else_stays(given: str, mac: str) -> None:
    assert normal_mac(given) == mac
    assert filled({"Registrar": {"MAC": given}}) == {"mac": mac}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"Registrar": []}, {"extra": {"Registrar": []}}),
        ({"DN": "x"}, {"extra": {"DN": "x"}}),
        ({"DN": 0, "Registrar": False}, {"extra": {"DN": 0, "Registrar": False}}),
        ({"DN": {"Number": 101}}, {"dn_number": "101"}),
        ({"DN": {"Number": 1.5}}, {"dn_number": "1.5"}),
        ({"DN": {"Name": ["a"]}}, {"extra": {"DN.Name": ["a"]}}),
        ({"DN": {"Id": "7"}}, {"extra": {"DN.Id": "7"}}),
        ({"DN": {"Id": 7.0}}, {"dn_id": 7}),
        ({"DN": {"Id": 7.5}}, {"extra": {"DN.Id": 7.5}}),
        ({"DN": {"Id": True}}, {"extra": {"DN.Id": True}}),
        ({"DN": {"Id": 2**63 - 1}}, {"dn_id": 2**63 - 1}),
        ({"DN": {"Id": 2**63}}, {"extra": {"DN.Id": 2**63}}),
        ({"DN": {"Id": -(2**63) - 1}}, {"extra": {"DN.Id": -(2**63) - 1}}),
        ({"DN": {"Id": 1e300}}, {"extra": {"DN.Id": 1e300}}),
        ({"Online": 1}, {"extra": {"Online": 1}}),
        ({"Online": "true"}, {"extra": {"Online": "true"}}),
        ({"DN": {"Tags": "MS"}}, {"extra": {"DN.Tags": "MS"}}),
        ({"DN": {"Tags": []}}, {}),
        ({"DN": {"Tags": ["ü", 1, None]}}, {"dn_tags": '["ü",1,null]'}),
        ({"Registrar": {"RpsExpirationUTC": "soon"}}, {"extra": {"Registrar.RpsExpirationUTC": "soon"}}),
        ({"Registrar": {"RpsExpirationUTC": 5}}, {"extra": {"Registrar.RpsExpirationUTC": 5}}),
        (
            {"Registrar": {"RpsExpirationUTC": "0001-01-01T00:00:00+01:00"}},
            {"extra": {"Registrar.RpsExpirationUTC": "0001-01-01T00:00:00+01:00"}},
        ),
        (
            {"Registrar": {"RpsExpirationUTC": "2027-03-01T00:00:00.1234567Z"}},
            {"rps_expires_at": datetime(2027, 3, 1, 0, 0, 0, 123456, tzinfo=UTC)},
        ),
        ({"New": {"a": None, "b": [1, {"c": 2}]}}, {"extra": {"New": {"b": [1, {"c": 2}]}}}),
        ({"DN.Id": 1, "DN": {"Id": "x", "a.b": 2}}, {"extra": {"[DN.Id]": 1, "DN.Id": "x", "DN.[a.b]": 2}}),
        ({"Registrar": {"New": 1}, "DN": {"New": 2}, "New": 3}, {"extra": {"Registrar.New": 1, "DN.New": 2, "New": 3}}),
        ({"@odata.id": "x", "Registrar": {"MAC@odata.type": "#String", "@odata.type": "y"}}, {}),
        ({"New": 2**70}, {"extra": {"New": 2**70}}),
    ],
    ids=str,
)  # fmt: skip
def test_what_fits_no_column_is_kept_as_extra(item: dict[str, Any], expected: dict[str, Any]) -> None:
    assert filled(item) == expected


def test_one_odd_row_does_not_change_its_neighbours() -> None:
    items = [{"Id": n, "DN": {"Number": str(n), "Id": n}, "Registrar": {"MAC": "001565AABBCC"}} for n in range(5)]
    items[2] = {"Id": 2, "DN": {"Number": 2, "Id": "two"}, "Registrar": {"MAC": 7}}
    columns = dict(zip(DLT_COLUMNS, DeviceReader().columns(items), strict=True))
    assert columns["dn_number"] == ["0", "1", "2", "3", "4"]
    assert columns["dn_id"] == [0, 1, None, 3, 4]
    assert columns["mac"] == ["001565AABBCC"] * 2 + ["7"] + ["001565AABBCC"] * 2
    assert columns["extra"] == [None, None, '{"DN.Id":"two"}', None, None]


@pytest.mark.parametrize("where", ["New", "Registrar", "DN"])
@pytest.mark.parametrize("depth", [64, 100, 300, 490, 100_000])
def test_a_row_nested_too_deeply_is_named(where: str, depth: int) -> None:
    deep: Any = 0
    for _ in range(depth + 1):
        deep = [deep]
    with pytest.raises(ProtocolError, match=r"Id 4 to 4.*deeply"):
        DeviceReader().columns([{"Id": 4, where: deep}])
    while deep:  # a plain `del` of it would recurse
        deep = deep[0]


def test_more_properties_than_any_api_has_are_refused() -> None:
    with pytest.raises(ProtocolError, match="different properties"):
        DeviceReader().columns([{"Id": 1, **{f"P{number}": 1 for number in range(MAX_PROPERTIES + 1)}}])


# one value, one text


def test_an_empty_text_is_null_wherever_it_stands() -> None:
    empty = {"DN": {"Name": "", "Type": "", "Number": ""}, "Registrar": {"MAC": "", "New": ""}, "New": "", "Online": ""}
    assert filled(empty) == {}
    assert filled({"DN": "", "Registrar": "", "ProvLink": ""}, KEY) == {}
    assert filled({"New": {"a": "", "b": [""]}}) == {"extra": {"New": {"b": [None]}}}
    rows = DeviceReader().columns([{"Id": 1, "DN": {"Name": ""}}, {"Id": 2, "DN": {"Name": "a"}}])
    assert dict(zip(DLT_COLUMNS, rows, strict=True))["dn_name"] == [None, "a"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"DN": {"Tags": ["b", "a"]}}, {"DN": {"Tags": ["a", "b"]}}),
        ({"DN": {"Tags": ["b" * 99, "a"]}}, {"DN": {"Tags": ["a", "b" * 99]}}),
        ({"New": {"b": [2, 1], "a": [{"y": 1, "x": 2}]}}, {"New": {"a": [{"x": 2, "y": 1}], "b": [1, 2]}}),
        ({"New": 1.0}, {"New": 1}),
        ({"New": {"a": None}}, {"New": {}}),
        ({"DN": {"Number": 7.0}}, {"DN": {"Number": 7}}),
    ],
)
def test_what_means_the_same_is_the_same_text(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert row_of({"Id": 1, **one}) == row_of({"Id": 1, **other})


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("New", "New"),
        ("größe", "größe"),
        ("a b", "a b"),
        ("a\x1b[31mb", "a\\u001b[31mb"),
        ("a\nb", "a\\u000ab"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x9bb", "a\\u009bb"),
        ("a\\u001bb", "a\\\\u001bb"),
        ("a.b", "[a.b]"),
        ("", ""),
    ],
)
def test_the_name_of_a_property_steers_no_terminal(name: str, path: str) -> None:
    reader = DeviceReader()
    columns = dict(zip(DLT_COLUMNS, reader.columns([{"Id": 1, name: 5}]), strict=True))
    assert reader.shape == {path: "integer"}
    assert json.loads(columns["extra"][0]) == {path: 5}


def test_long_names_are_cut_and_stay_apart() -> None:
    reader = DeviceReader()
    reader.columns([{"Id": 1, "x" * 70_000: 1, "x" * 70_001: 2}])
    assert len(reader.shape) == 2
    assert all(len(path) < 250 for path in reader.shape)


def test_no_rows_are_no_rows() -> None:
    assert DeviceReader().columns([]) == [[] for _ in DLT_COLUMNS]


def test_the_shape_says_what_was_met() -> None:
    reader = DeviceReader()
    reader.columns([{"Id": 1, "Online": None, "DN": {"Id": 1}, "Registrar": {"FirmwareAvailable": "2"}}])
    reader.columns([{"Id": 2, "New": [1], "Registrar": {"FirmwareAvailable": True, "ApiKey": "x"}}])
    assert reader.shape == {
        "DN.Id": "integer",
        "Registrar.FirmwareAvailable": "boolean|string",
        "Registrar.ApiKey": "string",
        "New": "array",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([c.path.rpartition(".")[2] for c in COLUMNS] + ["New", "ApiKey", "Id"])
OBJECTS = st.dictionaries(NAMES, JSON, max_size=6)


ROWS = st.lists(
    st.fixed_dictionaries(
        {"Id": st.integers(1, 9)},
        optional={
            "DN": OBJECTS | JSON,
            "Registrar": OBJECTS | JSON,
            "Online": st.booleans() | JSON,
            "PhoneWebPassword": JSON,
            "Other": JSON,
        },
    ),
    min_size=1,
    max_size=6,
)


@given(ROWS, st.sampled_from([None, KEY]))
def test_a_page_gives_what_its_rows_give_one_by_one(items: list[dict[str, Any]], key: str | None) -> None:
    together, alone = DeviceReader(key), DeviceReader(key)
    expected = [values for item in items for values in zip(*alone.columns([item]), strict=True)]
    found = list(zip(*together.columns(items), strict=True))
    # As text: in Python 1 and true would be the same.
    assert repr(expected) == repr(found)
    assert alone.shape == together.shape


@given(
    item=st.fixed_dictionaries(
        {"Id": st.integers(1, 9)}, optional={"DN": OBJECTS | JSON, "Registrar": OBJECTS | JSON, "Other": JSON}
    )
)
def test_any_json_becomes_a_row_whose_columns_have_their_types(item: dict[str, Any]) -> None:
    row = row_of(item, KEY)
    types: dict[str, type | tuple[type, ...]] = {"text": str, "bigint": int, "bool": bool, "timestamp": datetime}
    for name, value in row.items():
        expected = types[str(DLT_COLUMNS[name]["data_type"])]
        assert value is None or (isinstance(value, expected) and isinstance(value, bool) == (expected is bool)), name
    if row["extra"]:
        names = {name for path in json.loads(row["extra"]) for name in path.split(".")}
        assert not any(is_secret(name) for name in names)
