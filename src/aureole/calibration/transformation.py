"""From positions of motors to the numbers of a geometry: by formulas, or by a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import pi
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.formula import FUNCTIONS, Formula
from aureole.calibration.scattering import PARAMETERS
from aureole.errors import SpecError
from aureole.units import HC_KEV_M

FloatArray = NDArray[np.float64]

CONSTANTS = MappingProxyType({"pi": pi, "hc": HC_KEV_M * 1e10, "q": 1.602176634e-19})
"""Numbers that formulas know: π, h c in keV Å, the elementary charge in coulomb (CODATA 2018)."""
_STEP = 1e-6


class Transformation(Protocol):
    """What tells the numbers of a geometry from parameters and positions of motors.

    Attributes
    ----------
    parameters, motors : tuple of str
        Names of the numbers that a calibration finds, and of those that are read for each image.
    """

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the numbers that a calibration finds."""

    @property
    def motors(self) -> tuple[str, ...]:
        """Names of the numbers that are read for each image."""

    def numbers(self, values: FloatArray, position: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the numbers of `PARAMETERS`, (7,), and their derivatives by the parameters, (7, k).

        The wavelength is NaN where the transformation does not tell it.

        Raises
        ------
        SpecError
            One of them is not finite, or there is none.
        """


@dataclass(frozen=True)
class Formulas:
    """A transformation by formulas, as pyFAI's GeometryTransformation and ExtendedTransformation are.

    Attributes
    ----------
    formulas : mapping of str to str
        For each of dist, poni1, poni2 (m), rot1, rot2, rot3 (rad) and perhaps wavelength (m) a formula of
        parameters, motors and constants: see `Formula`. A rotation without one is zero.
    motors : tuple of str
        Names of motors.
    parameters : tuple of str
        Names of parameters; those that are in formulas and neither motors nor constants, in the order in
        which they come, where none are given.
    constants : mapping of str to float
        Numbers that are known; beside π, ``hc`` (keV Å) and ``q`` (elementary charge in coulomb).

    Raises
    ------
    SpecError
        A formula that is none, is of something else, or has an unknown name; one of dist, poni1 and poni2 has
        none; a name that is used twice.
    """

    formulas: Mapping[str, str]
    motors: tuple[str, ...] = ("pos",)
    parameters: tuple[str, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    _parsed: dict[str, Formula] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.formulas if name not in PARAMETERS]:
            raise SpecError(f"there is nothing called {unknown[0]!r} in a geometry: {', '.join(PARAMETERS)}")
        for name in PARAMETERS[:3]:
            if name not in self.formulas:
                raise SpecError(f"there is no formula for {name}: {name} = {name} is the simplest")
        given = {"rot1": "0.0", "rot2": "0.0", "rot3": "0.0"} | dict(self.formulas)
        parsed = {}
        for name in PARAMETERS:
            if name in given:
                try:
                    parsed[name] = Formula(given[name])
                except SpecError as error:
                    raise SpecError(f"{name} = {error}") from None
        constants = {**CONSTANTS, **{name: float(value) for name, value in self.constants.items()}}
        known = {*self.motors, *constants}
        used = dict.fromkeys(name for formula in parsed.values() for name in formula.names)
        parameters = tuple(self.parameters) or tuple(name for name in used if name not in known)
        names = (*parameters, *self.motors)
        if twice := [
            name for name in names if names.count(name) > 1 or name in constants or name in FUNCTIONS
        ]:
            raise SpecError(f"{twice[0]!r} is the name of two things: call a parameter or a motor otherwise")
        for name, formula in parsed.items():
            for part in formula.names:
                if part not in known and part not in parameters:
                    raise SpecError(
                        f"{name} = {formula.text}: {part!r} is neither a parameter ({', '.join(parameters)}) "
                        f"nor a motor ({', '.join(self.motors)})"
                    )
        texts = MappingProxyType({name: formula.text for name, formula in parsed.items()})
        for name, value in (
            ("formulas", texts),
            ("motors", tuple(self.motors)),
            ("parameters", parameters),
            ("constants", MappingProxyType(constants)),
            ("_parsed", parsed),
        ):
            object.__setattr__(self, name, value)

    def numbers(self, values: FloatArray, position: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See `Transformation.numbers`."""
        known = dict(self.constants)
        known |= zip(self.parameters, values.tolist(), strict=True)
        known |= zip(self.motors, position.tolist(), strict=True)
        numbers, slopes = np.zeros(7), np.zeros((7, len(self.parameters)))
        numbers[6] = np.nan
        for name, formula in self._parsed.items():
            index = PARAMETERS.index(name)
            try:
                numbers[index], slopes[index] = formula(known, self.parameters)
            except SpecError as error:
                raise SpecError(f"{name} = {error}") from None
        return numbers, slopes


@dataclass(frozen=True, slots=True)
class Function:
    """A transformation by a function of Python, which files cannot hold.

    Attributes
    ----------
    function : callable
        Called with parameters and motors by name; returns a mapping from some of `PARAMETERS` to numbers, or
        the numbers in their order.
    parameters, motors : tuple of str
        Their names.
    """

    function: Callable[..., Mapping[str, float] | Sequence[float]]
    parameters: tuple[str, ...]
    motors: tuple[str, ...] = ("pos",)

    def numbers(self, values: FloatArray, position: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See `Transformation.numbers`; derivatives are central differences."""
        slopes = np.zeros((7, len(self.parameters)))
        for index, value in enumerate(values):
            step = _STEP * max(abs(float(value)), 1e-2)
            ends = []
            for sign in (1.0, -1.0):
                moved = values.copy()
                moved[index] += sign * step
                ends.append(self._called(moved, position))
            slopes[:, index] = (ends[0] - ends[1]) / (2.0 * step)
        found = self._called(values, position)
        slopes[np.isnan(found)] = 0.0
        return found, slopes

    def _called(self, values: FloatArray, position: FloatArray) -> FloatArray:
        given = dict(zip((*self.parameters, *self.motors), (*values, *position), strict=True))
        result = self.function(**{name: float(value) for name, value in given.items()})
        found = dict(result) if isinstance(result, Mapping) else dict(zip(PARAMETERS, result, strict=False))
        if not {"dist", "poni1", "poni2"} <= found.keys() <= set(PARAMETERS):
            raise SpecError(f"the function returned {', '.join(found)}: wanted are {', '.join(PARAMETERS)}")
        usual = dict.fromkeys(PARAMETERS, 0.0) | {"wavelength": float("nan")}
        numbers = np.array([float(value) for value in (usual | found).values()])
        if not np.all(np.isfinite(numbers[:6])):
            raise SpecError(f"the function has no finite value at {given}")
        return numbers
