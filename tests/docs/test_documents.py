"""What README.md and docs/ say of tables, settings, commands and answers is what the code does."""

from pathlib import Path

from tests.docs.documents import DICTIONARY, README, RECIPES, described, dictionary, readme, recipes
from tests.docs.recipes import DemoHistory

MEND = "is stale: run make docs, and read what changed"


def test_generated_documents_are_up_to_date(tmp_path: Path) -> None:
    # One test for three documents: living through the demo is what takes time.
    demo = DemoHistory(tmp_path)
    assert _lines(readme(demo)) == _lines(README.read_text(encoding="utf-8")), f"README.md {MEND}"
    assert _lines(dictionary(described(demo.db))) == _lines(DICTIONARY.read_text(encoding="utf-8")), (
        f"docs/data-dictionary.md {MEND}"
    )
    assert _lines(recipes(demo)) == _lines(RECIPES.read_text(encoding="utf-8")), f"docs/recipes.md {MEND}"


def test_there_are_twenty_recipes() -> None:
    titles = [line for line in RECIPES.read_text(encoding="utf-8").splitlines() if line.startswith("### ")]
    assert [title.split(".")[0] for title in titles] == [f"### {number}" for number in range(1, 21)]


def _lines(text: str) -> list[str]:
    return text.splitlines()
