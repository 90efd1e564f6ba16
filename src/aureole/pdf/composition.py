"""Chemical compositions, as users write them: ``LaB6``, ``Ca0.5Sr0.5TiO3``, ``(SiO2)0.7(Na2O)0.3``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite

from aureole.errors import SpecError
from aureole.pdf.scattering import HEAVIEST, atomic_numbers

_TOKEN = re.compile(r"([A-Z][a-z]?)|([(\[])|([)\]])|(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|(.)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Composition:
    """Elements and their atomic fractions.

    Attributes
    ----------
    elements : tuple of str
        Symbols, each once, in the order of the formula.
    fractions : tuple of float
        They add up to one.
    """

    elements: tuple[str, ...]
    fractions: tuple[float, ...]

    @classmethod
    def parse(cls, formula: str) -> Composition:
        """Read a formula.

        Parameters
        ----------
        formula : str
            Symbols and numbers, which need not be whole; groups in parentheses; blanks do not count.

        Raises
        ------
        SpecError
            It is empty, has an unknown element, or is no formula.
        """
        counts: list[dict[str, float]] = [{}]
        pending: dict[str, float] = {}
        text = "".join(formula.split())
        for symbol, opened, closed, number, other in _TOKEN.findall(text):
            if number:
                _add(counts[-1], pending, _amount(formula, number, pending))
                pending = {}
                continue
            _add(counts[-1], pending, 1.0)
            pending = {}
            if symbol:
                pending = {symbol: 1.0}
            elif opened:
                counts.append({})
            elif closed and len(counts) > 1:
                pending = counts.pop()
            else:
                raise SpecError(f"composition {formula!r}: {closed or other!r} has no meaning there")
        _add(counts[-1], pending, 1.0)
        if len(counts) > 1:
            raise SpecError(f"composition {formula!r}: a parenthesis is not closed")
        return cls._of(formula, counts[0])

    @classmethod
    def _of(cls, formula: str, counts: dict[str, float]) -> Composition:
        known = atomic_numbers()
        unknown = next((symbol for symbol in counts if symbol not in known), None)
        if unknown is not None:
            raise SpecError(f"composition {formula!r}: unknown element {unknown!r}")
        heavy = next((symbol for symbol in counts if known[symbol] > HEAVIEST), None)
        if heavy is not None:
            raise SpecError(
                f"composition {formula!r}: scattering of {heavy} is not known, only up to uranium"
            )
        total = sum(counts.values())
        if not total > 0.0:
            raise SpecError(f"composition {formula!r} has no atoms: give a formula such as LaB6")
        there = {symbol: count / total for symbol, count in counts.items() if count > 0.0}
        return cls(tuple(there), tuple(there.values()))


def _amount(formula: str, number: str, before: dict[str, float]) -> float:
    if not before:
        raise SpecError(f"composition {formula!r}: {number!r} follows no element")
    value = float(number)
    if not isfinite(value):
        raise SpecError(f"composition {formula!r}: {number!r} is no amount")
    return value


def _add(counts: dict[str, float], more: dict[str, float], times: float) -> None:
    for symbol, count in more.items():
        counts[symbol] = counts.get(symbol, 0.0) + times * count
