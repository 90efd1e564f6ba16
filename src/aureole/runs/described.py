"""What was asked for, in JSON: equal for what gives equal results, and different for what may not."""

from __future__ import annotations

import dis
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from aureole.errors import InputError
from aureole.io.series import Frames


def digest(content: object) -> str:
    """Return the SHA-256 of the canonical JSON of something, in hexadecimal."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def described(given: Any) -> Any:
    """Return JSON that is the same for the same values, or the same way to find them.

    Parameters
    ----------
    given : array, Frames, callable or None
        Of a function its code counts, and what it takes from around it.

    Raises
    ------
    InputError
        A function holds what cannot be compared: nobody could tell it from another when the run goes on.
    """
    if given is None:
        return None
    if isinstance(given, Frames):
        selected = given.selection
        return digest([given.origin.items, [selected.start, selected.stop, selected.step]])
    if callable(given):
        try:
            return [_name(given), digest(_Teller(given).tell(given))]
        except RecursionError:
            raise _refusal(f"{_name(given)} holds something that holds itself") from None
    values = np.ascontiguousarray(given)
    return [str(values.dtype), list(values.shape), hashlib.sha256(values.data).hexdigest()]


class _Teller:
    """Tells a function, and what it holds."""

    def __init__(self, function: Callable[..., Any]) -> None:
        while isinstance(function, partial):
            function = function.func
        self._module = getattr(function, "__module__", None)
        self._told: dict[int, int] = {}
        """Functions and classes by their ids: those that name each other are told once."""

    def tell(self, given: Any) -> Any:
        """Return JSON of a function or of a value; raises `InputError` where that cannot be."""
        if given is None or isinstance(given, bool | int | str):
            return given
        if given is ... or isinstance(given, float | complex | bytes | Path):
            return [type(given).__name__, repr(given)]
        if isinstance(given, np.ndarray | np.generic) and not given.dtype.hasobject:
            return described(np.asarray(given))
        if isinstance(given, list | tuple):
            return [type(given).__name__, *map(self.tell, given)]
        if isinstance(given, set | frozenset):
            return ["set", *sorted(digest(self.tell(one)) for one in given)]
        if isinstance(given, dict):
            return ["dict", *([self.tell(key), self.tell(value)] for key, value in given.items())]
        return described(given) if isinstance(given, Frames) else self._function(given)

    def _function(self, given: Any) -> Any:
        if isinstance(given, BuiltinFunctionType | ModuleType | np.ufunc):
            return _name(given)
        if isinstance(given, type):
            return self._class(given) if given.__module__ == self._module else _name(given)
        if isinstance(given, partial):
            return [self.tell(one) for one in (given.func, given.args, given.keywords)]
        if isinstance(given, MethodType):
            return [self.tell(given.__func__), self.tell(given.__self__)]
        if isinstance(given, FunctionType):
            # a module that is imported does not change from one run to the next, and we know our version
            elsewhere = given.__module__ != self._module or given.__module__.startswith("aureole.")
            return _name(given) if elsewhere and given.__closure__ is None else self._code_of(given)
        if type(given).__module__ == self._module and hasattr(given, "__dict__"):
            return [self._class(type(given)), self.tell(vars(given))]
        raise _refusal(f"a function holds something of type {type(given).__name__}")

    def _class(self, given: type) -> Any:
        if id(given) in self._told:
            return ["told", self._told[id(given)]]
        self._told[id(given)] = len(self._told)
        own = []
        for name, value in vars(given).items():
            held = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(held, FunctionType) or not name.startswith("__"):
                own.append([name, self.tell(held)])
        return [_name(given), own, *map(self.tell, given.__bases__)]

    def _code_of(self, function: FunctionType) -> Any:
        if id(function) in self._told:
            return ["told", self._told[id(function)]]
        self._told[id(function)] = len(self._told)
        around = function.__globals__
        names = sorted({name for name in _taken(function.__code__) if name in around})
        try:
            cells = [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:
            raise _refusal(f"{_name(function)} takes something that is not there yet") from None
        held = [*cells, function.__defaults__, function.__kwdefaults__, *(around[name] for name in names)]
        return [_name(function), names, self._code(function.__code__), *map(self.tell, held)]

    def _code(self, code: CodeType) -> list[Any]:
        constants = [
            self._code(one) if isinstance(one, CodeType) else self.tell(one) for one in code.co_consts
        ]
        return [code.co_code.hex(), code.co_names, constants]


def _taken(code: CodeType) -> Iterator[str]:
    """Yield the names that code takes from its module, with those of the functions in it."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _taken(one)


def _name(given: Any) -> str:
    if isinstance(given, partial):
        return _name(given.func)
    name = getattr(given, "__qualname__", None) or getattr(given, "__name__", type(given).__qualname__)
    return f"{getattr(given, '__module__', '')}.{name}"


def _refusal(why: str) -> InputError:
    return InputError(
        f"{why}, so that it could not be told from another when the run goes on: "
        "give an array with a value for each frame"
    )
