"""The history of `threecx demo`, and what the questions in docs/recipes.md give when they are put to it.

The demo ends today, so its days are shown as those of one fortnight, and its times of day as one time: then the answers
are the same on every day.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, date, timedelta
from itertools import product
from pathlib import Path

from dlt_threecx.cli.output import write_rows
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from tests.commands import threecx
from tests.shell import shell

__all__ = ["DemoHistory", "answered"]

FIRST_DAY = date(2026, 11, 1)
SHOWN_TIME = "06:30:00"

_RECIPE = re.compile(r"```(?P<kind>sql|sh)\n(?P<question>.*?)```\n\n```text\n(?P<answer>.*?)```", re.DOTALL)
_TIME = re.compile(r"(?<=\dT)\d\d:\d\d:\d\d(\.\d+)?(?=Z)")
_MINUTE = re.compile(r"(?<=\d{4}-\d\d-\d\d )\d\d:\d\d\b")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_NO_ROWS = "(no rows)\n"
_EXCERPT_DAYS = (1, 2, 3, 7, 8, 12, 13, 14)
_EXCERPT_WIDTH = 118


class DemoHistory:
    """A folder with the `phones.duckdb` of the demo, and what the demo printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran = threecx("demo", folder=folder)
        assert self.ran.code == 0, self.ran.err
        self.db = folder / "phones.duckdb"
        shutil.copy(folder / "demo" / "phones.duckdb", self.db)
        with open_history(HistoryLocation(self.db)) as history:
            _, rows = history.rows(
                "select started_at, coalesce(taken_at, started_at) from snapshots order by snapshot_id"
            )
            days = [[at.astimezone(UTC).date() for at in row] for row in rows]
        self._shown: dict[str, str] = {}
        self._real: dict[str, str] = {}
        for number, began_and_taken in enumerate(days):
            shown = FIRST_DAY + timedelta(days=number)
            # two days when it was read at midnight
            for day, form in product(began_and_taken, ("%Y-%m-%d", "%a %d %b")):
                self._shown[day.strftime(form)] = shown.strftime(form)
                self._real[shown.strftime(form)] = day.strftime(form)

    def answer(self, kind: str, question: str) -> str:
        """What a query, or commands of a shell, give; `question` names the shown days."""
        question = _replaced(question, self._real)
        if kind == "sql":
            with open_history(HistoryLocation(self.db)) as history:
                columns, rows = history.rows(question)
                found, out = list(rows), io.StringIO()
                write_rows(columns, found, "table", out)
                return self._settled(out.getvalue() if found else _NO_ROWS)
        ran = shell(question, folder=self.folder)
        # stderr says as of when the answer holds; it must not say that something is wrong
        assert ran.code == 0 and "threecx: " not in ran.err, f"{question}\n{ran.err}"  # noqa: PT018
        return self._settled(ran.out)

    def excerpt(self) -> list[str]:
        """Some lines of what the demo prints: what happened on some days, and the story of a phone."""
        days = [line for line in self.ran.err.splitlines() if line.startswith("day ")]
        chosen = [_cut(days[number - 1]) for number in _EXCERPT_DAYS]
        story = self.ran.out.partition("What happened to the phone")[2].split("\n\n")[1].splitlines()
        return self._settled("\n".join(["…", *chosen, "…", *map(_cut, story), "…"])).splitlines()

    def _settled(self, text: str) -> str:
        """The text as it is on every day and in every run."""
        text = _TIME.sub(SHOWN_TIME, _replaced(text, self._shown))
        text = _MINUTE.sub(SHOWN_TIME.removesuffix(":00"), text)
        return _HASH.sub(lambda found: "5f0c7c1b9d2e" + "…", text)


def answered(document: str, demo: DemoHistory) -> str:
    """The document with the right answer under each of its questions."""

    def asked(found: re.Match[str]) -> str:
        answer = demo.answer(found["kind"], found["question"])
        return f"```{found['kind']}\n{found['question']}```\n\n```text\n{answer}```"

    return _RECIPE.sub(asked, document)


def _cut(line: str) -> str:
    return line if len(line) <= _EXCERPT_WIDTH else line[: _EXCERPT_WIDTH - 2] + " …"


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """All words at once: a day may be shown as another one that is in the text as well."""
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)
