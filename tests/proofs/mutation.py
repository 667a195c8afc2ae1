"""Mutation tests: a small fault is put into a module, one at a time, and a test has to fail because of it.

    python -m tests.proofs.mutation                      all mutants, in some minutes
    python -m tests.proofs.mutation compare/guards.py    those of one module

Each mutant runs in a process of its own, forked from one that has imported the libraries but nothing of `dlt_threecx`.
Tests that noticed other faults of the same function run first, slow ones last; the first failure ends the process.
The exit code is 1 when a mutant survives that survivors.txt does not list, or does not survive though it is listed.
"""

from __future__ import annotations

import ast
import copy
import importlib
import os
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings

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

BUSY_SECONDS, IDLE_SECONDS = 5, 5
"""A test that needs more time of the processor, or does nothing for longer, does not end: that is noticed."""

_LOOK_SECONDS = 0.25
"""How often it is looked at whether a test does anything."""

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
    name: str
    place: str
    """The function that has the fault."""
    code: CodeType | None
    """The module with the fault; None is the module as it is."""


class Module:
    """The syntax tree of a module, and its mutants."""

    def __init__(self, path: str) -> None:
        self.name = "dlt_threecx." + path.removesuffix(".py").replace("/", ".")
        self.path = path
        self.file = str(PACKAGE / path)
        self.tree = ast.parse(Path(self.file).read_text(encoding="utf-8"))
        self._names: Counter[str] = Counter()

    def mutants(self) -> Iterator[Mutant]:
        return self._visit(self.tree, "module")

    def hollow(self) -> Mutant:
        """Its functions do nothing."""
        tree = copy.deepcopy(self.tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.body = [ast.Return(ast.Constant(None))]
        return Mutant("hollow", "module", self._compiled(tree))

    def _visit(self, node: ast.AST, place: str) -> Iterator[Mutant]:
        for key, value in ast.iter_fields(node):
            if key in ("annotation", "returns", "decorator_list", "type_params", "bases"):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST) or _is_skipped(child):
                    continue
                for after in _faults(child):
                    name = f"{self.path} | {place.removeprefix('module.')} | {_line(child)} → {_line(after)}"
                    name += f" in {_line(node)}" if isinstance(child, ast.Constant) else ""
                    yield Mutant(self._only(name), place, self._with(node, key, index, after))
                yield from self._visit(child, f"{place}.{child.name}" if isinstance(child, _SCOPES) else place)

    def _only(self, name: str) -> str:
        self._names[name] += 1
        return f"{name} ({self._names[name]})" if self._names[name] > 1 else name

    def _with(self, node: ast.AST, key: str, index: int | None, after: ast.AST) -> CodeType:
        """The module with something else at one place of the tree."""
        value = getattr(node, key)
        setattr(node, key, after if index is None else [*value[:index], after, *value[index + 1 :]])
        try:
            return self._compiled(self.tree)
        finally:
            setattr(node, key, value)

    def _compiled(self, tree: ast.Module) -> CodeType:
        return compile(ast.fix_missing_locations(tree), self.file, "exec")


_SCOPES = (ast.FunctionDef, ast.ClassDef)


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


class _Watch:
    """Sorts the tests. Says when each begins and how long it took. Ends the process in a test that does not end."""

    def __init__(self, order: Sequence[str], told: Connection) -> None:
        self._places = {test: place for place, test in enumerate(order)}
        self._told = told

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._places.get(item.nodeid, 0))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._told.send((nodeid, 0.0))
        _watch()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._told.send((report.nodeid, report.duration))
        if report.failed:
            os._exit(1)


def _watch() -> None:
    """Ends this process in a test that does not end; each test calls it.

    A process that was stopped, or got no processor, hears only of one look: that is not the fault of the mutant.
    """
    idle, used = 0.0, time.process_time()

    def look(*_: object) -> None:
        nonlocal idle, used
        before, used = used, time.process_time()
        if used - before < _LOOK_SECONDS / 50:
            idle += _LOOK_SECONDS
        if idle > IDLE_SECONDS:
            os._exit(1)

    signal.setitimer(signal.ITIMER_PROF, BUSY_SECONDS)
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)


def _run_tests(module: Module, mutant: Mutant, order: Sequence[str], folder: str, told: Connection) -> None:
    """Ends this process with the exit code of pytest."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    _watch()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    settings.register_profile(
        "mutation",
        deadline=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    if mutant.code is not None:
        sys.meta_path.insert(0, _Loader(module.name, module.file, mutant.code))
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest", "--basetemp", folder]
    os._exit(int(pytest.main([*options, *TESTS[module.path]], plugins=[_Watch(order, told)])))


class Trial:
    """The tests of a module with one of its mutants, in a process of their own."""

    def __init__(self, module: Module, mutant: Mutant, order: Sequence[str]) -> None:
        self.mutant = mutant
        self.seconds: Counter[str] = Counter()
        """Test → how long it took. The last one is the one that noticed the fault."""
        self._folder = TemporaryDirectory()
        self.told, telling = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(
            target=_run_tests, args=(module, mutant, order, f"{self._folder.name}/pytest", telling)
        )
        self._process.start()
        telling.close()

    def is_over(self) -> bool:
        """Takes the next thing that the process tells."""
        try:
            test, seconds = self.told.recv()
        except EOFError:
            self._process.join()
            self._folder.cleanup()
            self.told.close()
            return True
        self.seconds[test] += seconds
        return False

    @property
    def survived(self) -> bool:
        return self._process.exitcode == 0


class Proof:
    """All mutants of a module, one on each processor at a time."""

    def __init__(self, path: str) -> None:
        self._module = Module(path)
        self._usual: Counter[str] = Counter()
        self._noticed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Function → the tests that noticed a fault in it."""
        self.names: list[str] = []
        [whole] = self._trials([Mutant("whole", "", None)])
        if not whole.survived:
            sys.exit(f"{path}: a test fails without a fault: {list(whole.seconds)[-1:]}")
        self._usual = whole.seconds
        [hollow] = self._trials([self._module.hollow()])
        if hollow.survived:
            sys.exit(f"{path}: no test fails when no function does anything")

    def survivors(self) -> Iterator[str]:
        for trial in self._trials(self._module.mutants()):
            self.names.append(trial.mutant.name)
            if trial.survived:
                yield trial.mutant.name
            else:
                self._noticed[trial.mutant.place].update(list(trial.seconds)[-1:])

    def _trials(self, mutants: Iterable[Mutant]) -> Iterator[Trial]:
        waiting = iter(mutants)
        running: dict[Any, Trial] = {}
        while True:
            while len(running) < (os.cpu_count() or 1) and (mutant := next(waiting, None)):
                trial = Trial(self._module, mutant, self._in_order(mutant.place))
                running[trial.told] = trial
            if not running:
                return
            for told in wait(list(running)):
                if running[told].is_over():
                    yield running.pop(told)

    def _in_order(self, place: str) -> list[str]:
        noticed = self._noticed[place]
        return sorted(self._usual, key=lambda test: (-noticed[test], round(self._usual[test])))


def main(paths: Sequence[str]) -> int:
    for library in LIBRARIES:
        importlib.import_module(library)
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines()
    listed = [name for name, _ in (line.split("  # ") for line in lines if not line.startswith("#"))]
    wrong = [f"listed, but of no module here: {name}" for name in listed if name.split(" | ")[0] not in TESTS]
    for path in paths or TESTS:
        began = time.monotonic()
        proof = Proof(path)
        survivors = set(proof.survivors())
        known = {name for name in listed if name.startswith(f"{path} | ")}
        wrong += [f"survived, and is not listed: {name}" for name in sorted(survivors - known)]
        wrong += [f"listed, and did not survive: {name}" for name in sorted(known - survivors)]
        took = time.monotonic() - began
        print(f"{path}: {len(proof.names)} mutants, {len(survivors)} survived, {took:.0f} s", flush=True)
    print(*wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
