"""What the user wants of a pair distribution function: one frozen, validated, comparable description."""

from __future__ import annotations

import hashlib
import json
from dataclasses import KW_ONLY, asdict, dataclass, fields
from functools import cached_property
from math import floor, isfinite
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.pdf.composition import Composition

Mode = Literal["polynomial", "physical"]
Window = Literal["none", "lorch"]

_FORMAT = "aureole-pdf-1"
_MOST_POINTS = 1_000_000
_WORDS = ("composition", "mode", "window", "fluorescence")


@dataclass(frozen=True, eq=False)
class PDFSpec:
    """How G(r) is made of I(q). Lengths are in Å and q in 1/Å.

    Specs are equal when their `digest` is.

    Parameters
    ----------
    composition : str
        Chemical formula of what the patterns are of.
    mode : {"polynomial", "physical"}
        ``"polynomial"``: all that scatters smoothly is removed by a polynomial, as PDFgetX3 does it.
        ``"physical"``: absolute normalisation, with Compton scattering, recoil and fluorescence.
    qmin, qmax : float, optional
        What of F(q) is transformed; the whole range of the data without them.
    qmaxinst : float, optional
        Up to where the data are used for scale and polynomial; without it, to the end of the data in the mode
        ``"polynomial"`` and to `qmax` in the other.
    rpoly : float, optional
        The polynomial removes what would be in G(r) below about this distance; 0 for none. Without it 0.9 in
        the mode ``"polynomial"``, none in the other.
    rmin, rmax, rstep : float
        Where G(r) is computed.
    window : {"none", "lorch"}
        By what F(q) is multiplied before it is transformed.
    background_scale : float
        The background is multiplied with this before it is subtracted.
    wavelength : float, optional
        In metres; needed by the mode ``"physical"``.
    density : float
        Atoms in a cubic Å, for the mode ``"physical"``; 0 where it is not known, which changes the scale by a
        tenth of a per cent or less.
    fluorescence : float or "fit"
        A constant in electron units for each atom, added by fluorescence, in the mode ``"physical"``.
    polarization_factor : float, optional
        What the data are still to be corrected for, in the mode ``"physical"``; None where they are.
    recoil_power : {2, 3}
        2 for detectors that count photons, 3 for those that add up energies; in the mode ``"physical"``.
    rnorm : float
        Below it there are no atoms: there the scale is found, in the mode ``"physical"``.

    Raises
    ------
    SpecError
        A value that is impossible, or two that contradict each other.
    """

    composition: str
    _: KW_ONLY
    mode: Mode = "polynomial"
    qmin: float | None = None
    qmax: float | None = None
    qmaxinst: float | None = None
    rpoly: float | None = None
    rmin: float = 0.0
    rmax: float = 30.0
    rstep: float = 0.01
    window: Window = "none"
    background_scale: float = 1.0
    wavelength: float | None = None
    density: float = 0.0
    fluorescence: float | Literal["fit"] = 0.0
    polarization_factor: float | None = None
    recoil_power: int = 2
    rnorm: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.composition, str):
            raise SpecError(f"composition must be a formula, not {self.composition!r}")
        for name, choices in (("mode", get_args(Mode)), ("window", get_args(Window))):
            if getattr(self, name) not in choices:
                raise SpecError(f"{name} is {getattr(self, name)!r}: it must be {' or '.join(choices)}")
        if self.rpoly is None:
            object.__setattr__(self, "rpoly", 0.9 if self.mode == "polynomial" else 0.0)
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or (field.name in _WORDS and isinstance(value, str)):
                continue
            object.__setattr__(self, field.name, _number(field.name, value))
        _check_ranges(self)
        _check_physics(self)
        Composition.parse(self.composition)

    @property
    def r(self) -> NDArray[np.float64]:
        """Where G(r) is computed: from `rmin` to `rmax`, both included as far as steps meet it."""
        steps = floor((self.rmax - self.rmin) / self.rstep * (1.0 + 1e-12) + 1e-9)
        return np.asarray(self.rmin + self.rstep * np.arange(steps + 1), np.float64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PDFSpec) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def to_json(self) -> str:
        """Return the canonical JSON."""
        content = {"format": _FORMAT} | asdict(self)
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> PDFSpec:
        """Return the spec that `to_json` wrote.

        Raises
        ------
        SpecError
            The text is no such JSON.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise SpecError(f"a PDF spec must be JSON: {error}") from None
        if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
            raise SpecError(f"this JSON is no PDF spec of the format {_FORMAT}")
        unknown = content.keys() - {field.name for field in fields(cls)}
        if unknown or "composition" not in content:
            wrong = f"has unknown fields: {', '.join(sorted(unknown))}" if unknown else "lacks a composition"
            raise SpecError(f"the PDF spec {wrong}")
        return cls(content.pop("composition"), **content)


def _number(name: str, value: object) -> float | int:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(f"{name} must be a number, not {value!r}") from None
    if not isfinite(number):
        raise SpecError(f"{name} must be finite, not {number}")
    return int(number) if name == "recoil_power" and number == int(number) else number


def _check_ranges(spec: PDFSpec) -> None:
    for name in ("qmin", "rpoly", "rmin", "density"):
        value = getattr(spec, name)
        if value is not None and value < 0.0:
            raise SpecError(f"{name} is {value:g}: it cannot be negative")
    for name in ("qmax", "qmaxinst", "rmax", "rstep", "rnorm"):
        value = getattr(spec, name)
        if value is not None and value <= 0.0:
            raise SpecError(f"{name} is {value:g}: it must be above zero")
    for low, high in (("qmin", "qmax"), ("qmin", "qmaxinst"), ("rmin", "rmax")):
        first, last = getattr(spec, low), getattr(spec, high)
        if first is not None and last is not None and first >= last:
            raise SpecError(f"{low} is {first:g} and {high} is {last:g}: {low} must be below {high}")
    if spec.qmax is not None and spec.qmaxinst is not None and spec.qmax > spec.qmaxinst:
        raise SpecError(
            f"qmax is {spec.qmax:g} and qmaxinst is {spec.qmaxinst:g}: qmaxinst cannot be below qmax"
        )
    if (spec.rmax - spec.rmin) / spec.rstep > _MOST_POINTS:
        raise SpecError(f"rstep is {spec.rstep:g}: that makes more than a million steps of r")


def _check_physics(spec: PDFSpec) -> None:
    if spec.recoil_power not in (2, 3):
        raise SpecError(f"recoil_power is {spec.recoil_power}: it must be 2 or 3")
    if spec.wavelength is not None and not 0.0 < spec.wavelength < 1e-6:
        raise SpecError(f"wavelength is {spec.wavelength:g}: in metres it is about 1e-11 to 1e-10")
    if spec.polarization_factor is not None and not -1.0 <= spec.polarization_factor <= 1.0:
        raise SpecError(f"polarization_factor is {spec.polarization_factor:g}: it lies between -1 and 1")
    if isinstance(spec.fluorescence, str) and spec.fluorescence != "fit":
        raise SpecError(f"fluorescence is {spec.fluorescence!r}: it must be a number or 'fit'")
    if spec.mode == "physical":
        if spec.wavelength is None:
            raise SpecError("mode physical needs the wavelength, for the recoil of Compton scattering")
        return
    for name, unused in (("density", 0.0), ("fluorescence", 0.0), ("polarization_factor", None)):
        if getattr(spec, name) != unused:
            raise SpecError(f"{name} has no use in the mode polynomial: choose the mode physical")
