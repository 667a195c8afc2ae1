"""OData expressions, parsed by odata-query and turned into typed functions of a row."""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from odata_query import ast
from odata_query.exceptions import (
    ArgumentCountException,
    ODataException,
    ParsingException,
    TokenizingException,
    UnknownFunctionException,
)
from odata_query.grammar import ODataLexer, ODataParser
from odata_query.visitor import NodeVisitor

from dlt_threecx.simulator.odata.functions import FUNCTIONS
from dlt_threecx.simulator.odata.options import ODataError, property_type
from dlt_threecx.simulator.schema import PEER_TYPES, Properties

__all__ = ["Compiler", "Typed", "Value"]

Value = Callable[[Mapping[str, Any]], Any]
"""Returns the value in a scope: the row as `$it`, and the variables of the lambdas around. Null is None."""
Typed = tuple[str, Value]
"""With its OData type."""

_NUMBERS = ("Edm.Int32", "Edm.Double")
_ENUMS = ("Pbx.PeerType", "Pbx.UserTag")
_LITERALS = {
    ast.Null: "null",
    ast.Integer: "Edm.Int32",
    ast.Float: "Edm.Double",
    ast.String: "Edm.String",
    ast.Boolean: "Edm.Boolean",
    ast.DateTime: "Edm.DateTimeOffset",
}
_COMPARISONS: dict[type, tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("Equal", operator.eq),
    ast.NotEq: ("NotEqual", operator.ne),
    ast.Lt: ("LessThan", operator.lt),
    ast.LtE: ("LessThanOrEqual", operator.le),
    ast.Gt: ("GreaterThan", operator.gt),
    ast.GtE: ("GreaterThanOrEqual", operator.ge),
}
_ARITHMETIC: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("Add", operator.add),
    ast.Sub: ("Subtract", operator.sub),
    ast.Mult: ("Multiply", operator.mul),
    ast.Div: ("Divide", lambda one, other: one / other if other else None),
    ast.Mod: ("Modulo", lambda one, other: one % other if other else None),
}


class Compiler(NodeVisitor):
    """Visits the tree of one expression; every node becomes its type and its function."""

    def __init__(self, types: Mapping[str, Properties]) -> None:
        """`types`: the properties of each type in the shape that is served."""
        self._types = types
        self._variables: dict[str, str] = {}

    def compiled(self, expression: str, whole: str) -> Typed:
        """Type and function of an expression; `whole` is the option's value as it came, for messages."""
        try:
            return self._typed(ODataParser().parse(ODataLexer().tokenize(expression)))
        except (TokenizingException, ParsingException) as error:
            at = len(whole) if error.token is None else error.token.index
            raise ODataError(f"Syntax error at position {at} in '{whole}'.") from error
        except (UnknownFunctionException, ArgumentCountException) as error:
            raise _no_signature(error.function_name) from error
        except (ODataException, NotImplementedError, ValueError, RecursionError) as error:
            raise ODataError(f"The expression '{whole}' is not supported.") from error

    def generic_visit(self, node: ast._Node) -> Typed:
        """Every kind of node that has no method of its own."""
        kind = type(node)
        if kind not in _LITERALS:
            raise ODataError(f"The expression of kind '{kind.__name__}' is not supported.")
        value = getattr(node, "py_val")  # noqa: B009 - literals have it, their common base is not public
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return _LITERALS[kind], lambda scope: value

    # names

    def visit_Identifier(self, node: ast.Identifier) -> Typed:  # noqa: N802
        """`Registrar`, or the variable of a lambda."""
        name = _full_name(node)
        if name in self._variables:
            return self._variables[name], lambda scope: scope[name]
        return self._property("Pbx.SipDevice", lambda scope: scope["$it"], name)

    def visit_Attribute(self, node: ast.Attribute) -> Typed:  # noqa: N802
        """`Registrar/Vendor`."""
        owner, value = self._typed(node.owner)
        return self._property(owner, value, node.attr)

    # operators

    def visit_Compare(self, node: ast.Compare) -> Typed:  # noqa: N802
        """`Id ge 5`, `DN/Number in ('100', '101')`."""
        left, get_left = self._typed(node.left)
        if isinstance(node.comparator, ast.In):
            options = [self._operand(option, left) for option in _items(node.right)]
            for kind, _ in options:
                _check_comparable(left, kind, "Equal")
            return "Edm.Boolean", lambda scope: get_left(scope) in [get(scope) for _, get in options]
        right, get_right = self._operand(node.right, left)
        left, get_left = self._operand(node.left, right)
        name, compare = _COMPARISONS[type(node.comparator)]
        _check_comparable(left, right, name)
        null_allowed = name in ("Equal", "NotEqual")

        def compared(scope: Mapping[str, Any]) -> bool:
            one, other = get_left(scope), get_right(scope)
            return (null_allowed or (one is not None and other is not None)) and compare(one, other)

        return "Edm.Boolean", compared

    def visit_BoolOp(self, node: ast.BoolOp) -> Typed:  # noqa: N802
        """`… and …`, `… or …`; null is neither true nor false."""
        is_or = isinstance(node.op, ast.Or)
        get_left, get_right = self._boolean(node.left), self._boolean(node.right)

        def joined(scope: Mapping[str, Any]) -> bool | None:
            one: bool | None = get_left(scope)
            if one is is_or:
                return is_or
            other: bool | None = get_right(scope)
            if other is is_or:
                return is_or
            return None if one is None or other is None else not is_or

        return "Edm.Boolean", joined

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Typed:  # noqa: N802
        """`not …`, `-…`."""
        if isinstance(node.op, ast.Not):
            get = self._boolean(node.operand)
            return "Edm.Boolean", lambda scope: None if (value := get(scope)) is None else not value
        kind, get = self._typed(node.operand)
        _check_numbers(kind, kind, "Negate")
        return kind, lambda scope: None if (value := get(scope)) is None else -value

    def visit_BinOp(self, node: ast.BinOp) -> Typed:  # noqa: N802
        """`Id add 1`."""
        left, get_left = self._typed(node.left)
        right, get_right = self._typed(node.right)
        name, compute = _ARITHMETIC[type(node.op)]
        _check_numbers(left, right, name)

        def computed(scope: Mapping[str, Any]) -> Any:
            one, other = get_left(scope), get_right(scope)
            return None if one is None or other is None else compute(one, other)

        return left if left == right else "Edm.Double", computed

    # calls and lambdas

    def visit_Call(self, node: ast.Call) -> Typed:  # noqa: N802
        """`contains(DN/Name, 'x')`; null if any argument is null."""
        name = _full_name(node.func)
        function = FUNCTIONS.get(name)
        if function is None or not function.required <= len(node.args) <= len(function.takes):
            raise _no_signature(name)
        arguments = [self._typed(argument) for argument in node.args]
        for (kind, _), wanted in zip(arguments, function.takes, strict=False):
            if kind not in (wanted, "null") and not (wanted == "Edm.Double" and kind in _NUMBERS):
                raise _no_signature(name)

        def called(scope: Mapping[str, Any]) -> Any:
            values = [get(scope) for _, get in arguments]
            return None if None in values else function.call(*values)

        return function.gives, called

    def visit_CollectionLambda(self, node: ast.CollectionLambda) -> Typed:  # noqa: N802
        """`DN/Tags/any(tag: tag eq 'Teams')`."""
        owner, get = self._typed(node.owner)
        if not owner.startswith("Collection("):
            raise ODataError("The parent value for Any/All is not a collection of values.")
        if node.lambda_ is None:
            return "Edm.Boolean", lambda scope: bool(get(scope))
        variable = node.lambda_.identifier.name
        self._variables[variable] = owner.removeprefix("Collection(").removesuffix(")")
        test = self._boolean(node.lambda_.expression)
        del self._variables[variable]
        quantifier = any if isinstance(node.operator, ast.Any) else all
        return "Edm.Boolean", lambda scope: quantifier(
            test({**scope, variable: item}) is True for item in get(scope) or ()
        )

    # what the above have in common

    def _typed(self, node: ast._Node) -> Typed:
        typed: Typed = self.visit(node)
        return typed

    def _boolean(self, node: ast._Node) -> Value:
        kind, value = self._typed(node)
        if kind not in ("Edm.Boolean", "null"):
            raise ODataError("A boolean expression was expected, found one of type '" + kind + "'.")
        return value

    def _operand(self, node: ast._Node, against: str) -> Typed:
        """A literal text that is compared with an enumeration is one of its names."""
        kind, value = self._typed(node)
        if against in _ENUMS and isinstance(node, ast.String):
            if against == "Pbx.PeerType" and node.val not in PEER_TYPES:
                raise ODataError(f"The string '{node.val}' is not a valid enumeration type constant.")
            return against, value
        return kind, value

    def _property(self, owner: str, get_owner: Value, name: str) -> Typed:
        kind = property_type(self._types, owner, name)

        def got(scope: Mapping[str, Any]) -> Any:
            found = get_owner(scope)
            value = None if found is None else found.get(name)
            if kind == "Edm.DateTimeOffset" and value is not None:
                return datetime.fromisoformat(value)
            return value

        return kind, got


def _full_name(node: ast.Identifier) -> str:
    return ".".join((*node.namespace, node.name))


def _items(node: ast._Node) -> list[ast._Literal]:
    if not isinstance(node, ast.List):
        raise ODataError("The right side of 'in' must be a list.")
    return node.val


def _check_comparable(left: str, right: str, name: str) -> None:
    if not (left == right or "null" in (left, right) or (left in _NUMBERS and right in _NUMBERS)):
        raise _incompatible(left, right, name)


def _check_numbers(left: str, right: str, name: str) -> None:
    if left not in _NUMBERS or right not in _NUMBERS:
        raise _incompatible(left, right, name)


def _incompatible(left: str, right: str, name: str) -> ODataError:
    return ODataError(
        "A binary operator with incompatible types was detected. "
        f"Found operand types '{left}' and '{right}' for operator kind '{name}'."
    )


def _no_signature(name: str) -> ODataError:
    return ODataError(f"No function signature for the function with name '{name}' matches the specified arguments.")
