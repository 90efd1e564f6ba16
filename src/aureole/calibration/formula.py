"""Formulas as text: arithmetic of named numbers, and its derivatives. They cannot run code."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError

FloatArray = NDArray[np.float64]
_Dual = tuple[float, FloatArray]
"""A number and its derivatives."""
_Slope = Callable[[float], float]

_LONGEST, _MOST_PARTS = 1000, 300
_ONE_ARGUMENT: dict[str, tuple[_Slope, _Slope]] = {
    "sin": (math.sin, math.cos),
    "cos": (math.cos, lambda x: -math.sin(x)),
    "tan": (math.tan, lambda x: 1.0 + math.tan(x) ** 2),
    "arcsin": (math.asin, lambda x: 1.0 / math.sqrt(1.0 - x * x)),
    "arccos": (math.acos, lambda x: -1.0 / math.sqrt(1.0 - x * x)),
    "arctan": (math.atan, lambda x: 1.0 / (1.0 + x * x)),
    "sinh": (math.sinh, math.cosh),
    "cosh": (math.cosh, math.sinh),
    "tanh": (math.tanh, lambda x: 1.0 - math.tanh(x) ** 2),
    "arcsinh": (math.asinh, lambda x: 1.0 / math.sqrt(x * x + 1.0)),
    "arccosh": (math.acosh, lambda x: 1.0 / math.sqrt(x * x - 1.0)),
    "arctanh": (math.atanh, lambda x: 1.0 / (1.0 - x * x)),
    "exp": (math.exp, math.exp),
    "expm1": (math.expm1, math.exp),
    "log": (math.log, lambda x: 1.0 / x),
    "log10": (math.log10, lambda x: 1.0 / (x * math.log(10.0))),
    "log1p": (math.log1p, lambda x: 1.0 / (1.0 + x)),
    "sqrt": (math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    "abs": (abs, lambda x: math.copysign(1.0, x)),
}
FUNCTIONS = (*_ONE_ARGUMENT, "arctan2")
"""Functions that formulas may use: those of the package numexpr, with which others evaluate them."""


class Formula:
    """A formula such as ``scale * (pos + offset)``.

    Numbers, names, ``+ - * / **``, brackets and `FUNCTIONS`; whatever else Python has is refused.

    Parameters
    ----------
    text : str

    Attributes
    ----------
    text : str
    names : tuple of str
        Names of numbers in it, in alphabetic order.

    Raises
    ------
    SpecError
        It is no such formula.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if len(self.text) > _LONGEST:
            raise SpecError(f"a formula of {len(self.text)} characters is too long: {_LONGEST} is the most")
        try:
            self._root = ast.parse(self.text, mode="eval").body
            nodes = _checked(self._root, self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise SpecError(f"{self.text!r} is no formula: such as scale*(pos+offset) is one") from None
        if len(nodes) > _MOST_PARTS:
            raise SpecError(f"a formula of {len(nodes)} parts is too long: {_MOST_PARTS} is the most")
        self.names = tuple(sorted({node.id for node in nodes if isinstance(node, ast.Name)}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"

    def __call__(self, known: Mapping[str, float], by: Sequence[str] = ()) -> _Dual:
        """Return the value, and its derivatives by some of the names, (k,).

        Raises
        ------
        SpecError
            A name without a number, or a value that is not finite.
        """
        unit = np.eye(len(by))
        numbers = {name: (float(value), np.zeros(len(by))) for name, value in known.items()}
        numbers |= {name: (numbers[name][0], unit[index]) for index, name in enumerate(by)}
        if unknown := [name for name in self.names if name not in numbers]:
            raise SpecError(f"{self.text!r}: {unknown[0]!r} has no value")
        try:
            value, slopes = _evaluate(self._root, numbers, np.zeros(len(by)))
        except (ValueError, OverflowError, ZeroDivisionError):
            value, slopes = math.nan, np.zeros(len(by))
        if not (math.isfinite(value) and np.all(np.isfinite(slopes))):
            at = ", ".join(f"{name} = {numbers[name][0]:g}" for name in self.names)
            raise SpecError(f"{self.text!r} has no finite value at {at}")
        return value, slopes


def _checked(node: ast.AST, text: str) -> list[ast.expr]:
    """Return all nodes below one, and itself; raises `SpecError` for what is not arithmetic."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float()):
            return [node]
        case ast.Name():
            return [node]
        case ast.UnaryOp(op=ast.UAdd() | ast.USub()):
            return [node, *_checked(node.operand, text)]
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow()):
            return [node, *_checked(node.left, text), *_checked(node.right, text)]
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            if name not in FUNCTIONS:
                raise SpecError(f"{text!r}: {name} is not known; functions are {', '.join(FUNCTIONS)}")
            if len(node.args) == 1 + (name == "arctan2"):
                return [node, *(below for each in node.args for below in _checked(each, text))]
    part = ast.get_source_segment(text, node) if isinstance(node, ast.expr) else None
    raise SpecError(f"{text!r}: {part or text!r} is no arithmetic of numbers, names and functions")


def _evaluate(node: ast.AST, known: Mapping[str, _Dual], zero: FloatArray) -> _Dual:
    match node:
        case ast.Constant(value=value):
            return float(value), zero  # type: ignore[arg-type]  # _checked saw numbers only
        case ast.Name(id=name):
            return known[name]
        case ast.UnaryOp(op=sign, operand=operand):
            value, slopes = _evaluate(operand, known, zero)
            return (-value, -slopes) if isinstance(sign, ast.USub) else (value, slopes)
        case ast.BinOp(left=left, op=operation, right=right):
            return _combined(operation, _evaluate(left, known, zero), _evaluate(right, known, zero))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            values = [_evaluate(argument, known, zero) for argument in arguments]
            return _applied(name, values)
    raise TypeError(node)


def _combined(operation: ast.operator, left: _Dual, right: _Dual) -> _Dual:
    (a, da), (b, db) = left, right
    match operation:
        case ast.Add():
            return a + b, da + db
        case ast.Sub():
            return a - b, da - db
        case ast.Mult():
            return a * b, a * db + b * da
        case ast.Div():
            return a / b, (da - db * (a / b)) / b
    value = math.pow(a, b)
    slopes = np.zeros_like(da)
    if da.any():
        slopes = slopes + b * math.pow(a, b - 1.0) * da
    if db.any():
        slopes = slopes + value * math.log(a) * db
    return value, slopes


def _applied(name: str, values: list[_Dual]) -> _Dual:
    if name == "arctan2":
        (y, dy), (x, dx) = values
        return math.atan2(y, x), (x * dy - y * dx) / (x * x + y * y)
    [(x, dx)] = values
    function, slope = _ONE_ARGUMENT[name]
    # where nothing depends on it, a slope that does not exist is not asked for: sqrt(0)
    return function(x), slope(x) * dx if dx.any() else dx
