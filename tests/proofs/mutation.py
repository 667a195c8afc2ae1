"""Mutation tests: a small fault is put into a module, one at a time, and a test has to fail of it.

    python -m tests.proofs.mutation                      150 of the mutants, others on another day
    python -m tests.proofs.mutation compare/guards.py    all of one module
    MUTANTS=100 SEED=7 python -m tests.proofs.mutation   100 of the mutants, chosen by the seed
    MUTANTS=all python -m tests.proofs.mutation          all of them, which takes hours

Each mutant runs in a process of its own, forked from one that has imported the libraries but nothing of `dlt_threecx`.
It ends with 1 when a mutant survives that survivors.txt does not list, or when one that is listed there is noticed.
"""

from __future__ import annotations

import ast
import importlib
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing import get_context
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pipelines" / "dlt_threecx"
SURVIVORS = Path(__file__).with_name("survivors.txt")
LIBRARIES = ("click", "dlt", "dlt.destinations", "duckdb", "orjson", "pyarrow.parquet", "requests", "rich", "tomlkit")

TESTS: dict[str, tuple[str, ...]] = {
    "compare/differences.py": ("tests/compare/test_differences.py",),
    "compare/guards.py": ("tests/compare/test_guards.py", "tests/compare/test_clock.py"),
    "integrity/row_hash.py": ("tests/integrity/test_row_hash.py",),
    "integrity/ledger.py": ("tests/integrity/test_ledger.py",),
    "integrity/replay.py": ("tests/integrity/test_replay.py",),
    "integrity/verify.py": ("tests/integrity/test_replay.py",),
    "source/page.py": ("tests/source/test_page.py",),
    "source/walk.py": ("tests/source/test_walk.py",),
}
"""Module → the test files that have to notice every fault in it."""

SAMPLE = 150
"""Mutants in a run that names neither a number nor a module."""

SLOW_FIXTURES = frozenset({"rig", "right", "wrong"})
"""Tests that use these sync whole histories. They are left out."""

_FORK = get_context("fork")
_MEMORY_BYTES = 16 * 2**30
_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitXor: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


class Mutant(NamedTuple):
    """A node of a syntax tree, at `holder[key]`, and what is put there instead."""

    name: str
    holder: Any
    key: int | str
    before: ast.AST
    after: ast.AST


class Module:
    """The syntax tree of a module, and its mutants."""

    def __init__(self, path: str) -> None:
        self.name = "dlt_threecx." + path.removesuffix(".py").replace("/", ".")
        self.path = path
        self.file = str(PACKAGE / path)
        self.tree = ast.parse(Path(self.file).read_text(encoding="utf-8"))
        self.mutants: list[Mutant] = []
        self._names: Counter[str] = Counter()
        self._visit(self.tree, "module")

    def code(self, number: int) -> CodeType:
        """The module with one fault."""
        mutant = self.mutants[number]
        _put(mutant, mutant.after)
        try:
            return compile(ast.fix_missing_locations(self.tree), self.file, "exec")
        finally:
            _put(mutant, mutant.before)

    def _visit(self, node: ast.AST, place: str) -> None:
        for key, value in ast.iter_fields(node):
            if key in ("annotation", "returns", "decorator_list", "type_params", "bases"):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST) or _is_skipped(child):
                    continue
                for after in _faults(child):
                    name = f"{self.path} | {place.removeprefix('module.')} | {_line(child)} → {_line(after)}"
                    name += f" in {_line(node)}" if isinstance(child, ast.Constant) else ""
                    self._add(name, node if index is None else value, key if index is None else index, child, after)
                self._visit(child, f"{place}.{child.name}" if isinstance(child, _SCOPES) else place)

    def _add(self, name: str, holder: Any, key: int | str, before: ast.AST, after: ast.AST) -> None:
        self._names[name] += 1
        again = f" ({self._names[name]})" if self._names[name] > 1 else ""
        self.mutants.append(Mutant(name + again, holder, key, before, after))


_SCOPES = (ast.FunctionDef, ast.ClassDef)


def _put(mutant: Mutant, node: ast.AST) -> None:
    if isinstance(mutant.key, int):
        mutant.holder[mutant.key] = node
    else:
        setattr(mutant.holder, mutant.key, node)


def _line(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) < 100 else text[:60] + " … " + text[-37:]


def _is_skipped(node: ast.AST) -> bool:
    """A docstring, or the list of public names."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _faults(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand at the place of a node by mistake."""
    yield from _wrong_statements(node) if isinstance(node, ast.stmt) else _wrong_expressions(node)


def _wrong_expressions(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, ops, comparators):
            for index, operator in enumerate(ops):
                yield ast.Compare(left, [*ops[:index], _opposite(operator), *ops[index + 1 :]], comparators)
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _opposite(operator), right)
        case ast.BoolOp(operator, values):
            for index in range(len(values)):
                rest = [*values[:index], *values[index + 1 :]]
                yield ast.BoolOp(operator, rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse


def _wrong_statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign(target, operator, value):
            yield ast.AugAssign(target, _opposite(operator), value)
            yield ast.Pass()
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Return(value) if value is not None and ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))
        case ast.Expr() | ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _opposite(operator: ast.AST) -> Any:
    return _OPERATORS[type(operator)]()


class _Loader(SourceFileLoader):
    """Finds and loads one module out of code that is at hand."""

    def __init__(self, name: str, file: str, code: CodeType) -> None:
        super().__init__(name, file)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None


class _Fast:
    """Leaves out slow tests."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))]


@cache
def module_of(path: str) -> Module:
    return Module(path)


def _run_tests(path: str, number: int | None) -> None:
    """Ends this process with the exit code of pytest."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    settings.register_profile(
        "mutation", deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False
    )
    module = module_of(path)
    if number is not None:
        sys.meta_path.insert(0, _Loader(module.name, module.file, module.code(number)))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=no"]
    os._exit(int(pytest.main([*options, *TESTS[path]], plugins=[_Fast()])))


def survives(path: str, number: int | None, limit_seconds: float) -> bool:
    """Whether all tests of a module pass, in time, with one of its faults (or with none)."""
    process = _FORK.Process(target=_run_tests, args=(path, number))
    process.start()
    process.join(limit_seconds)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def _limit_seconds(path: str) -> float:
    began = time.monotonic()
    if not survives(path, None, 300):
        sys.exit(f"The tests of {path} fail without a fault: {' '.join(TESTS[path])}")
    return 10 + 4 * (time.monotonic() - began)


def reasons() -> dict[str, str]:
    """Survivors that are known → why."""
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("  # ") for line in lines if line and not line.startswith("#")]
    return {name.strip(): why for name, why in pairs}


def main(paths: Sequence[str]) -> int:
    for library in LIBRARIES:
        importlib.import_module(library)
    known, found, noticed = reasons(), list[str](), list[str]()
    chosen = [(path, number) for path in paths or TESTS for number in range(len(module_of(path).mutants))]
    names = {mutant.name for path in TESTS for mutant in module_of(path).mutants}
    wrong = [f"listed, but there is no such mutant: {name}" for name in known if name not in names]
    asked = os.environ.get("MUTANTS", "all" if paths else str(SAMPLE))
    seed = os.environ.get("SEED", f"{datetime.now(UTC):%Y-%m-%d}")
    if asked != "all":
        chosen = random.Random(seed).sample(chosen, min(int(asked), len(chosen)))
        print(f"MUTANTS={asked} SEED={seed}", flush=True)
    limits = {path: _limit_seconds(path) for path in dict.fromkeys(path for path, _ in chosen)}
    with ProcessPoolExecutor(os.cpu_count(), mp_context=_FORK) as pool:
        running = {pool.submit(survives, path, number, limits[path]): (path, number) for path, number in chosen}
        for done in as_completed(running):
            path, number = running[done]
            name = module_of(path).mutants[number].name
            (found if done.result() else noticed).append(name)
            if done.result() and name not in known:
                wrong.append(f"survived, and is not in {SURVIVORS.name}: {name}")
    wrong += [f"listed, but a test notices it: {name}" for name in noticed if name in known]
    print(f"{len(chosen)} mutants of {len(limits)} modules: {len(noticed)} noticed, {len(found)} survived")
    print(*wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
