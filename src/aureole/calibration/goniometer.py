"""A detector that moves: where it stands for any positions of its motors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.goniometer_file import format_goniometer, parse_goniometer
from aureole.calibration.scattering import PARAMETERS
from aureole.calibration.transformation import Transformation
from aureole.errors import FormatError, GeometryError, InputError, SpecError
from aureole.geometry import Detector, Geometry
from aureole.io.publish import publication

FloatArray = NDArray[np.float64]
Position = float | Sequence[float] | FloatArray | Mapping[str, float]
"""Of the only motor, of all motors in their order, or by their names."""


@dataclass(frozen=True)
class Goniometer:
    """A detector on a goniometer arm, a translation stage, or both.

    Attributes
    ----------
    detector : Detector
    transformation : Transformation
        `Formulas` or `Function`: how the geometry follows from parameters and motors.
    values : mapping of str to float
        Of all its parameters.
    wavelength : float or None
        In metres, where the transformation does not tell it.

    Raises
    ------
    SpecError
        Values that are not those of all parameters, or not finite.
    """

    detector: Detector
    transformation: Transformation
    values: Mapping[str, float]
    wavelength: float | None = None
    _numbers: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        wanted = self.transformation.parameters
        if missing := [name for name in wanted if name not in self.values]:
            raise SpecError(f"the parameter {missing[0]!r} has no value: {', '.join(wanted)} want one each")
        if unknown := [name for name in self.values if name not in wanted]:
            raise SpecError(f"{unknown[0]!r} is no parameter: these are {', '.join(wanted)}")
        values = {name: float(self.values[name]) for name in wanted}
        if wrong := [name for name, value in values.items() if not isfinite(value)]:
            raise SpecError(f"the parameter {wrong[0]!r} must be a finite number, not {values[wrong[0]]}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "_numbers", np.array(list(values.values())))

    @property
    def motors(self) -> tuple[str, ...]:
        """Names of the motors."""
        return self.transformation.motors

    def geometry(self, position: Position) -> Geometry:
        """Return where the detector stands.

        Parameters
        ----------
        position : float, sequence of float or mapping
            Of the motor, of all motors in their order, or by their names.

        Raises
        ------
        SpecError
            Not one number for each motor, or a formula has no value there.
        GeometryError
            The detector cannot stand so.
        """
        given = self._position(position)
        numbers, _ = self.transformation.numbers(self._numbers, given)
        wavelength = self.wavelength if np.isnan(numbers[6]) else float(numbers[6])
        try:
            return Geometry(
                self.detector,
                **dict(zip(PARAMETERS, numbers[:6].tolist(), strict=False)),
                wavelength=wavelength,
            )
        except GeometryError as error:
            at = ", ".join(f"{name} = {value:g}" for name, value in zip(self.motors, given, strict=True))
            raise GeometryError(f"{error}, at {at}") from None

    def geometries(self, positions: Sequence[Position] | FloatArray) -> list[Geometry]:
        """Return where the detector stands at several positions: (N,) of one motor, (N, motors), or mappings.

        Raises
        ------
        SpecError, GeometryError
            As for `geometry`.
        """
        return [self.geometry(position) for position in positions]

    def _position(self, position: object) -> FloatArray:
        if isinstance(position, Mapping):
            if missing := [name for name in self.motors if name not in position]:
                raise SpecError(f"there is no position of the motor {missing[0]!r}")
            position = [position[name] for name in self.motors]
        try:
            numbers = np.atleast_1d(np.asarray(position, np.float64))
        except (TypeError, ValueError):
            numbers = np.zeros(0)
        if numbers.shape != (len(self.motors),) or not np.all(np.isfinite(numbers)):
            raise SpecError(
                f"a position is one finite number for each of {', '.join(self.motors)}, not {position!r}"
            )
        return numbers

    def with_values(self, values: Mapping[str, float]) -> Goniometer:
        """Return the goniometer with other values of some parameters."""
        return replace(self, values={**self.values, **values})

    def with_detector(self, detector: Detector) -> Goniometer:
        """Return the goniometer with another detector, as with one that knows its shape."""
        return replace(self, detector=detector)

    def to_json(self) -> str:
        """Return the text of a goniometer file of pyFAI (version 2).

        Raises
        ------
        SpecError
            The transformation is a function.
        GeometryError
            The detector has no name that a file could tell.
        """
        return format_goniometer(self.detector, self.transformation, self.values, self.wavelength)

    @classmethod
    def from_json(cls, text: str) -> Goniometer:
        """Read the text of a goniometer file of pyFAI (versions 1.1 and 2).

        Raises
        ------
        FormatError
            It is none.
        SpecError, GeometryError
            Its formulas, parameters or detector cannot be.
        """
        return cls(*parse_goniometer(text))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a goniometer file, which pyFAI reads too; raises `OutputError` where it cannot be written."""
        text = self.to_json()
        with publication(path, overwrite=overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Goniometer:
        """Read a goniometer file, of pyFAI too; raises `InputError` where it cannot be used."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
            raise InputError(f"{path}: cannot be read ({reason})") from None
        try:
            return cls.from_json(text)
        except InputError as error:
            raise FormatError(f"{path}: {error}") from None
