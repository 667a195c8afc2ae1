"""The words in which a run fails, one line each: what was asked, what came back, what to do.

`REGENERATE=1 pytest tests/sync/test_messages.py` writes the golden file; read the difference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import load_config
from dlt_threecx.simulator import FAULTS, Fleet, Simulator
from dlt_threecx.source.errors import ThreecxError
from dlt_threecx.source.settings import Settings
from tests.loading.test_contention import held
from tests.rig import Rig
from tests.sync.test_faults import TOLD

GOLDEN = Path(__file__).parents[1] / "golden" / "messages.txt"

FAMILIES = (
    *("forbidden_empty", "token_html", "token_missing"),
    *("too_many_requests", "unavailable", "reset", "stall"),
    *("html", "redirect", "next_link", "server_error_empty", "duplicate_keys", "huge_body", "id_text"),
    *("value_missing", "count_wrong", "row_out_of_order"),
)
"""Faults of which each stands for others."""


def told(rig: Rig, act: Callable[[], Any]) -> str:
    """`(6) snapshot of PBX …` without what differs from one machine and run to the next."""
    error: ThreecxError | None
    try:
        error = act().error
    except ThreecxError as raised:
        error = raised
    assert error is not None
    assert str(error) == f"{error.asked}: {error.got.rstrip('.!')}. {error.do}"
    words = str(error).replace(str(rig.project), "PROJECT")
    words = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", words)
    words = re.sub(r"\S+ \(process \d+\)", "PROGRAM (process PID)", words)
    assert "\n" not in words
    return f"({error.exit_code}) {words}"


def settings(rig: Rig) -> list[str]:
    """What is said of settings that are missing or make no sense."""
    valid = {"base_url": "https://pbx.example.com", "client_id": "id", "client_secret": "secret"}
    wrong = ({"base_url": "pbx"}, {"base_url": "http://pbx.example.com"}, {"page_size": 500}, {"client_secret": ""})
    return [
        told(rig, lambda: load_config(rig.project, {})),
        *(told(rig, lambda given=given: Settings(**(valid | given))) for given in wrong),  # type: ignore[misc]
        told(rig, lambda: sync_pbxs(rig.config(), db=rig.db, dataset="My-Data")),
    ]


def credentials_query_and_network(rig: Rig) -> list[str]:
    """What is said of the API key, the filter and the way to the PBX."""
    said = [
        told(rig, lambda: rig.sync(client_secret="pw-secret-wrong")),
        told(rig, lambda: rig.sync(access_token="pw-secret-wrong")),
        told(rig, lambda: rig.sync(filter="Colour eq 'red'")),
        told(rig, lambda: rig.sync(filter="Id eq 'red'")),
        told(rig, lambda: rig.sync(filter="Id eq 'red")),
    ]
    return said + faults(rig)


def faults(rig: Rig) -> list[str]:
    """What is said of PBXs that are read in one run, each with a fault of its own."""
    with Simulator({fault: Fleet(devices=130, seed=11) for fault in FAMILIES}) as simulator:
        for fault, pbx in simulator.pbxs.items():
            pbx.faults.set(fault)
        many = Rig(rig.project / "many", rig.fleet, simulator)
        many.project.mkdir()
        results = {
            result.row.pbx: result for result in many.sync_all(own={name: TOLD[name].settings for name in FAMILIES})
        }
    said = [(fault, told(many, lambda fault=fault: results[fault])) for fault in FAMILIES]  # type: ignore[misc]
    return [words.replace(f"'{fault}'", "'default'").replace(f"PORT/{fault}", "PORT") for fault, words in said]


def guards(rig: Rig) -> list[str]:
    """What is said of complete but suspicious readings."""
    said = [told(rig, lambda: rig.sync(filter="Id gt 0"))]
    devices = rig.fleet.ids()
    for device in devices[30:]:
        rig.fleet.remove(device)
    said.append(told(rig, rig.sync))
    said.append(told(rig, lambda: rig.sync(search="Yealink")))
    for device in devices[:30]:
        rig.fleet.remove(device)
    said.append(told(rig, rig.sync))
    return said


def destination(rig: Rig) -> list[str]:
    """What is said of a database that is busy, broken or no database."""
    with held(rig.db, read_only=True):
        said = [told(rig, rig.sync)]
    other = Rig(rig.project, rig.fleet, rig.simulator)
    other.db = rig.project / "letter.duckdb"
    other.db.write_text("somebody's letter " * 500)
    said.append(told(rig, other.sync))
    other.db = rig.project / "nowhere" / "phones.duckdb"
    said.append(told(rig, other.sync))
    rig.write("alter table phones.threecx.snapshots drop column chain")
    said.append(told(rig, rig.sync))
    return said


def test_messages_are_as_they_were_read_and_approved(synced: Rig) -> None:
    assert set(FAMILIES) <= set(FAULTS)
    families = (settings, credentials_query_and_network, guards, destination)
    said = "\n\n".join("\n".join([f"# {family.__doc__}", *family(synced)]) for family in families) + "\n"
    if os.environ.get("REGENERATE"):
        GOLDEN.write_text(said, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == said
