"""News as a text."""

from datetime import timedelta
from pathlib import Path

from dlt_threecx.notify.message import message
from dlt_threecx.notify.news import PbxNews, Problem
from dlt_threecx.queries.change_groups import FieldChange, change_groups
from tests.notify.test_news import FINDING, KNOWN, NOW, WELL, change, told

PROJECT = Path("/srv/three cx")
SHRINK = Problem(
    "refused",
    "shrink",
    "snapshot of PBX 'hq': refused by the guard 'shrink': 40 of 130 devices would go. Nothing was written to the "
    "history. Look with: threecx list --pbx hq; if it is right, run: threecx sync --pbx hq --accept shrink …",
    NOW,
)


def news(pbx: str, problem: Problem | None = None, changes: list[FieldChange] | None = None) -> PbxNews:
    return PbxNews(pbx, KNOWN, problem, changes=tuple(change_groups(changes or [])))


def test_a_refusal_comes_with_the_line_that_accepts_it() -> None:
    text = message([news("hq", SHRINK)], PROJECT)
    assert (text.title, text.kind) == ("threecx: hq refused", "warning")
    assert text.body == (
        "hq: refused (shrink) since 2026-11-24 03:00 UTC\n"
        "  snapshot of PBX 'hq': refused by the guard 'shrink': 40 of 130 devices would go\n"
        "  If it is right, run:\n"
        "  threecx sync --project '/srv/three cx' --pbx hq --accept shrink --because \"why it is right\""
    )


def test_sixty_pbxs_with_the_same_failure_share_a_line() -> None:
    failing = Problem("failing", "unreachable", "connect: no answer. Nothing was loaded", NOW)
    text = message([news(f"p{number}", failing) for number in range(60)], PROJECT)
    assert text.title == "threecx: 60 failing"
    assert text.body.startswith("60 PBXs failing (unreachable): p0, p1, ")
    assert text.body.endswith("p19 and 40 more\n  connect: no answer")


def test_a_recovery_is_good_news() -> None:
    text = message([PbxNews("hq", KNOWN, recovered_at=NOW)], PROJECT)
    assert (text.title, text.kind) == ("threecx: hq recovered", "success")
    assert text.body == "hq: recovered, read completely at 2026-11-24 03:00 UTC"


def test_findings_and_changes_are_lines_that_name_the_device() -> None:
    text = message([told(WELL.__class__(**{**vars(WELL), "findings": (FINDING,)}), KNOWN, NOW, change(NOW))], PROJECT)
    assert text.title == "threecx: 1 new finding, 1 device change (hq)"
    assert text.body == (
        "New findings:\nhigh · weak_password · hq · 101 Ann (Id 7) · too short\n\n"
        "Changes:\nhq · 101 Ann · ip_address: a → b"
    )


def test_a_rotated_secret_is_named_without_its_fingerprints() -> None:
    rotated = change(NOW, category="secret", field="phone_web_password_fp", old_value="0123456789abcdef")
    body = message([news("hq", changes=[rotated])], PROJECT).body
    assert body == "Changes:\nhq · 101 Ann · phone_web_password: changed"


def test_names_from_the_pbx_stay_on_their_line_and_steer_no_terminal() -> None:
    body = message([news("hq", changes=[change(NOW, dn_name="Ann\n\x1b[31mhq: refused")])], PROJECT).body
    assert body == "Changes:\nhq · 101 Ann [31mhq: refused · ip_address: a → b"


def test_a_long_message_fits_a_chat_and_says_where_the_rest_is() -> None:
    many = [change(NOW + timedelta(seconds=number), number, new_value="x" * 200) for number in range(90)]
    body = message([news("hq", changes=many)], PROJECT).body
    assert len(body) < 2_000
    assert body.endswith("… The rest: threecx status, threecx findings, threecx changes")
