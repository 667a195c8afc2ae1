"""Writes the parts of README.md and docs/ that come from the code: `python -m tests.docs.documents [--write]`.

In README.md and docs/settings.md it fills `<!-- generated: NAME -->` … `<!-- end -->`, in docs/recipes.md the answer to
each question (tests/docs/recipes.py); all of docs/data-dictionary.md is generated, and what names all columns in bi/.
Without --write it only names the files that are out of date, and exits with 1.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from inspect import getsource
from pathlib import Path
from typing import Any

from dlt_threecx.cli import COMMANDS
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.settings.config import PbxConfig, RunConfig
from dlt_threecx.settings.keys import KEYS, RUN_KEYS, SECRET_KEYS, variable
from dlt_threecx.source.columns import COLUMNS
from dlt_threecx.source.settings import Settings
from dlt_threecx.tables import DEVICE_COLUMNS, TABLES, category
from dlt_threecx.views.dictionary import RELATIONS, column_meaning, purpose
from dlt_threecx.views.views import MACROS, VIEWS
from tests.commands import ROOT
from tests.docs.bi_files import DATASETS, dbt_sources, superset_dataset
from tests.docs.recipes import DemoHistory, answered

__all__ = ["RECIPES"]

README, SETTINGS, RECIPES, DICTIONARY = (
    ROOT / name for name in ("README.md", "docs/settings.md", "docs/recipes.md", "docs/data-dictionary.md")
)

Described = Mapping[str, Mapping[str, str]]
"""Table, view or macro → column → type, as DuckDB tells them."""

_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_DEVICE_COLUMNS = tuple(column.name for column in DEVICE_COLUMNS)


def filled(document: Path, demo: DemoHistory) -> str:
    """A document with its generated blocks as they should be."""
    blocks: dict[str, Callable[[], Iterable[str]]] = {
        "commands": lambda: _table(("command", ""), ((f"`{name}`", text) for name, (_, text) in COMMANDS.items())),
        "demo": lambda: ("", "```text", *demo.excerpt(), "```", ""),
        "tables": lambda: _table(("table", ""), ((f"`{name}`", purpose(name)) for name in TABLES)),
        "views": lambda: _table(("view", ""), ((f"`{_called(name)}`", purpose(name)) for name in (*VIEWS, *MACROS))),
        "settings": lambda: _table(("setting", "default", "meaning", "environment variable"), _settings()),
    }

    def block(found: re.Match[str]) -> str:
        return found[1] + "\n".join(blocks[found[2]]()) + "\n" + found[3]

    return _BLOCK.sub(block, document.read_text(encoding="utf-8"))


def recipes(demo: DemoHistory) -> str:
    """docs/recipes.md as it should be."""
    return answered(RECIPES.read_text(encoding="utf-8"), demo)


def described(db: Path) -> Described:
    """Every table and view of a history that people may ask."""
    with open_history(HistoryLocation(db)) as history:
        asked = {name: f"{name}(current_timestamp)" if name in MACROS else name for name in RELATIONS}
        return {
            name: {str(row[0]): str(row[1]) for row in history.rows(f"describe from {source}")[1]}
            for name, source in asked.items()
        }


def dictionary(found: Described) -> str:
    """docs/data-dictionary.md."""
    return "\n".join(_dictionary(found)).rstrip() + "\n"


def _dictionary(found: Described) -> Iterator[str]:
    yield "# Data dictionary"
    yield ""
    yield "Every table and view of the schema `threecx`, made from the code by `make docs`. All times are UTC, types"
    yield "are DuckDB's, and what the API leaves out is null. How to ask is shown in [recipes.md](recipes.md)."
    yield ""
    types = found["device_versions"]
    for name, columns in found.items():
        yield from (f"## {_called(name)}", "", f"{purpose(name)[0].upper()}{purpose(name)[1:]}.", "")
        if name in MACROS:
            yield f"Ask it like a table, from any schema: `from threecx.{name}('2026-11-03 07:00')`. In DuckDB a file"
            yield "that is attached under another name than its own needs that name as a second argument:"
            yield "`catalog := 'other'`."
            yield ""
        shared = [column for column in columns if column in _DEVICE_COLUMNS]
        if any(columns[column] != types[column] for column in shared) or len(shared) < len(_DEVICE_COLUMNS):
            shared = []
        own = {column: kind for column, kind in columns.items() if column not in shared}
        yield from _table(
            ("column", "type", "meaning"),
            ((f"`{column}`", kind.lower(), column_meaning(name, column)) for column, kind in own.items()),
        )
        yield ""
        if shared:
            yield from (f"And the {len(shared)} [device columns](#device-columns).", "")
    yield from ("## Device columns", "")
    yield "`category` is what `device_changes` calls a change of the column. A `*_fp` column is null unless the setting"
    yield "`fingerprint_key` is there; the secret itself is nowhere."
    yield ""
    paths = {column.name: f"`{column.path.replace('.', '/')}`" for column in COLUMNS}
    yield from _table(
        ("column", "type", "category", "in the API", "meaning"),
        (
            (f"`{column.name}`", types[column.name].lower(), category(column.name), paths.get(column.name, ""), text)
            for column in DEVICE_COLUMNS
            for text in [column.meaning]
        ),
    )


def _called(name: str) -> str:
    return f"{name}(at_time)" if name in MACROS else name


def _settings() -> Iterator[tuple[str, ...]]:
    kinds = (Settings, PbxConfig, RunConfig)
    defaults: dict[str, Any] = {field.name: field.default for kind in kinds for field in fields(kind)}
    meanings = {name: text for kind in kinds for name, text in _attribute_docstrings(kind)}
    for key in KEYS:
        notes = [
            *(["Put it into secrets.toml."] if key in SECRET_KEYS else []),
            *(["For all PBXs together."] if key in RUN_KEYS else []),
        ]
        yield f"`{key}`", _default(defaults[key]), " ".join([meanings[key], *notes]), f"`{variable(key)}`"


def _default(value: Any) -> str:
    if not isinstance(value, str | bool | int | float | tuple):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{one}"' for one in value) + "]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _attribute_docstrings(kind: type) -> Iterator[tuple[str, str]]:
    """The text under each field of a dataclass."""
    (found,) = ast.parse(getsource(kind)).body
    assert isinstance(found, ast.ClassDef)
    for field, text in zip(found.body, found.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            yield field.target.id, " ".join(str(ast.literal_eval(text.value)).split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def main(args: list[str]) -> int:
    """Exit code: 1 when something is stale and was not written."""
    for name in [name for name in os.environ if name.startswith(("SOURCES__", "PIPELINE__"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        demo = DemoHistory(Path(folder))
        found = described(demo.db)
        made = {
            README: filled(README, demo),
            SETTINGS: filled(SETTINGS, demo),
            RECIPES: recipes(demo),
            DICTIONARY: dictionary(found),
            ROOT / "bi/dbt/models/sources.yml": dbt_sources(found),
            **{
                ROOT / f"bi/superset/datasets/threecx_bi/{name}.yaml": superset_dataset(name, found[name])
                for name in DATASETS
            },
        }
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--write" in args:
            path.write_text(made[path], encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'written' if '--write' in args else 'stale; run make docs'}")
    return int(bool(stale) and "--write" not in args)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
