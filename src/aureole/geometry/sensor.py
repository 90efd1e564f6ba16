"""The sensor of a detector: how much of the beam its material stops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import GeometryError


class _Material(NamedTuple):
    formula: str
    density: float


_MATERIALS = {
    "Si": _Material("Si", 2329.0),
    "Ge": _Material("Ge", 5323.0),
    "CdTe": _Material("CdTe", 5850.0),
    "CZT": _Material("Cd0.9Zn0.1Te", 5780.0),
    "GaAs": _Material("GaAs", 5317.6),
    "Se": _Material("Se", 4260.0),
    "CsI": _Material("CsI", 4510.0),
    "Gd2O2S": _Material("Gd2O2S", 7320.0),
    "BaFBr0.85I0.15": _Material("BaFBr0.85I0.15", 3180.0),
}
"""Formula and density (kg/m³); selenium is the amorphous one, the last is the layer of an imaging plate."""

_ALIASES = {
    "silicon": "Si",
    "germanium": "Ge",
    "cadmium telluride": "CdTe",
    "cdznte": "CZT",
    "cd0.9zn0.1te": "CZT",
    "gallium arsenide": "GaAs",
    "selenium": "Se",
    "gadox": "Gd2O2S",
}

ENERGIES = 0.1, 800.0
"""Photon energies (keV) for which attenuation is tabulated."""
_THICKEST = 0.1
_LENGTHS = {"um": 1e-6, "µm": 1e-6, "μm": 1e-6, "mm": 1e-3, "m": 1.0}
_TEXT = re.compile(r"([^,]+),\s*(\d+\.?\d*(?:[eE][-+]?\d+)?)\s*(um|µm|μm|mm|m)?")


@dataclass(frozen=True, slots=True)
class Sensor:
    """What the photons are absorbed in.

    Attributes
    ----------
    material : str
        Such as ``"Si"`` or ``"CdTe"``; attenuation is known for those of `sensor_materials`.
    thickness : float or None
        In metres, where it is known.

    Raises
    ------
    GeometryError
        A thickness that is not above zero, or above 0.1 m.
    """

    material: str
    thickness: float | None = None

    def __post_init__(self) -> None:
        if self.thickness is None:
            return
        if not (isfinite(self.thickness) and 0.0 < self.thickness <= _THICKEST):
            raise GeometryError(f"sensor: thickness {self.thickness:g} is in metres, such as 450e-6")
        object.__setattr__(self, "thickness", float(self.thickness))

    def __str__(self) -> str:
        return self.material + (f", {self.thickness * 1e6:g} µm" if self.thickness else "")

    @staticmethod
    def parse(text: str) -> Sensor:
        """Return the sensor of a text such as ``"CdTe,1mm"``, ``"Si,450um"`` or ``"Si,450e-6"`` (m)."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise GeometryError(f"sensor: {text[:40]!r} is no material with its thickness, such as Si,450um")
        return Sensor(found[1].strip(), float(found[2]) * _LENGTHS[found[3] or "m"])

    def to_dict(self) -> dict[str, Any]:
        """Return material and thickness as JSON can hold them."""
        return {"material": self.material, "thickness": self.thickness}

    def is_known(self) -> bool:
        """Return whether material and thickness are such that the efficiency is known."""
        return self.thickness is not None and _material(self.material) is not None

    def stops(self, energy_kev: float) -> bool:
        """Return whether it is known how much of photons of an energy the sensor stops."""
        return self.is_known() and ENERGIES[0] <= energy_kev <= ENERGIES[1]

    def mu(self, energy_kev: float) -> float:
        """Return the linear attenuation coefficient in 1/m.

        It counts absorption and both kinds of scattering, from the tables of W. T. Elam, B. D. Ravel and
        J. R. Sieber, Radiat. Phys. Chem. 63 (2002) 121, doi:10.1016/S0969-806X(01)00227-4, as the package
        xraydb has them.

        Raises
        ------
        GeometryError
            An unknown material, or an energy outside of 0.1 to 800 keV.
        """
        known = _material(self.material)
        if known is None:
            raise GeometryError(
                f"sensor: the attenuation of {self.material!r} is not known; of {', '.join(_MATERIALS)} it is"
            )
        if not ENERGIES[0] <= energy_kev <= ENERGIES[1]:
            raise GeometryError(
                f"sensor: attenuation is known from {ENERGIES[0]:g} to {ENERGIES[1]:g} keV, "
                f"not at {energy_kev:g} keV"
            )
        return _mu(known, float(energy_kev))

    def quantum_efficiency(self, energy_kev: float, angle: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return the share of the photons that the sensor stops, 1 - exp(-µ t / cos α).

        Parameters
        ----------
        energy_kev : float
        angle : array_like
            Angle of incidence α from the normal of the sensor, in radians.

        Returns
        -------
        ndarray of float64, of the shape of the angles
            From 0 to 1.

        Raises
        ------
        GeometryError
            An unknown thickness or material, an energy outside of the tables, or an angle of π/2 or more.
        """
        cosine = np.cos(np.asarray(angle, dtype=np.float64))
        if not np.all(cosine > 0.0):
            raise GeometryError("sensor: angles of incidence lie below π/2")
        return np.asarray(-np.expm1(-self._depth(energy_kev) / cosine))

    def relative_efficiency(self, energy_kev: float, cosine: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the quantum efficiency over that of photons along the normal.

        Parameters
        ----------
        energy_kev : float
        cosine : ndarray
            Of the angle of incidence, above 0.

        Returns
        -------
        ndarray, of the shape of `cosine`
            At least 1. The bits do not depend on the instruction set.

        Raises
        ------
        GeometryError
            As for `quantum_efficiency`.
        """
        depth = self._depth(energy_kev)
        normal = -np.expm1(-depth)
        # 1 - exp(-d/c) = (1 - exp(-d)) + exp(-d) (1 - exp(-(d/c - d))), without loss of digits
        gain = (1.0 - normal) / normal * (1.0 - _decay(depth / cosine - depth))
        return np.asarray(1.0 + gain)

    def mean_path(self, energy_kev: float, cosine: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far in the sensor the photons that it stops come on average, in metres.

        That is (1 - e / (exp(e) - 1)) / µ with e = µ t / cos α, from the law of Beer and Lambert. Scattered
        photons count as stopped where they scatter.

        Parameters
        ----------
        energy_kev : float
        cosine : ndarray
            Of the angle of incidence α, from 0 to 1.

        Raises
        ------
        GeometryError
            As for `quantum_efficiency`.
        """
        depth = self._depth(energy_kev) / np.maximum(cosine, 1e-9)
        passed = _decay(depth)
        return np.asarray((1.0 - depth * passed / (1.0 - passed)) / self.mu(energy_kev))

    def _depth(self, energy_kev: float) -> float:
        """Return the thickness in attenuation lengths."""
        if self.thickness is None:
            raise GeometryError(f"sensor: the thickness of the {self.material} is not known")
        return self.mu(energy_kev) * self.thickness


def sensor_materials() -> list[str]:
    """Return the materials of which the attenuation is known."""
    return list(_MATERIALS)


def _material(name: str) -> _Material | None:
    wanted = name.strip().casefold()
    wanted = _ALIASES.get(wanted, wanted).casefold()
    return next((found for known, found in _MATERIALS.items() if known.casefold() == wanted), None)


@lru_cache(maxsize=256)
def _mu(material: _Material, energy_kev: float) -> float:
    import xraydb

    per_cm = xraydb.material_mu(material.formula, energy_kev * 1e3, density=material.density * 1e-3)
    # The last bits of the spline differ from one processor to another.
    return float(f"{float(per_cm) * 100.0:.10g}")


_TERMS, _SQUARINGS = 15, 7


def _decay(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(-depth), of the same bits everywhere: NumPy's own is another with each instruction set."""
    small = np.minimum(depth, 60.0) * (-(0.5**_SQUARINGS))
    power = np.ones_like(small)
    for term in range(_TERMS, 0, -1):
        power *= small
        power *= 1.0 / term
        power += 1.0
    for _ in range(_SQUARINGS):
        np.square(power, out=power)
    return power
