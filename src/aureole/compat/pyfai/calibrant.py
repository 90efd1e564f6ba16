"""Calibrants by pyFAI's names: spacings in Å, and where the rings are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.calibration import Calibrant as Known
from aureole.calibration import calibrant, calibrant_names, read_calibrant
from aureole.compat.pyfai.units import hc
from aureole.compat.pyfai.words import unit_of
from aureole.errors import SpecError

F64 = NDArray[np.float64]

_FINEST = 0.4e-10
"""Spacings (m) down to which rings are listed without a wavelength."""


class Calibrant:
    """A substance of known rings.

    Parameters
    ----------
    filename : str, optional
        A file of spacings in Å, one a line.
    dspacing : list of float, optional
        In Å, in the place of a file.
    wavelength : float, optional
        In metres.
    dSpacing : list of float, optional
        Older name of `dspacing`.

    Raises
    ------
    InputError
        Neither a file nor spacings, or what cannot be.
    """

    def __init__(
        self,
        filename: str | Path | None = None,
        dspacing: list[float] | None = None,
        wavelength: float | None = None,
        *,
        dSpacing: list[float] | None = None,
    ) -> None:
        given = dspacing if dspacing is not None else dSpacing
        self._known = read_calibrant(Path(filename)) if filename is not None else None
        self._given = None if given is None else sorted(map(float, given), reverse=True)
        self.wavelength = wavelength

    @classmethod
    def of(cls, known: Known, wavelength: float | None = None) -> Calibrant:
        """Return one of an `aureole.calibration.Calibrant`."""
        made = cls(wavelength=wavelength)
        made._known = known
        return made

    @property
    def name(self) -> str:
        """Short name."""
        return "" if self._known is None else self._known.name

    @property
    def dspacing(self) -> list[float]:
        """Spacings in Å, the largest first; with a wavelength those that it can reach."""
        if self._given is not None:
            return self._given
        if self._known is None:
            return []
        least = _FINEST if self.wavelength is None else 0.5 * self.wavelength
        return [float(d) * 1e10 for d in self._known.d_spacings(max(least, self._known.finest))]

    dSpacing = dspacing

    def get_dSpacing(self) -> list[float]:
        """Return `dspacing`."""
        return self.dspacing

    def append_dspacing(self, value: float) -> None:
        """Add a spacing in Å."""
        self._given = sorted([*self.dspacing, float(value)], reverse=True)

    append_dSpacing = append_dspacing

    def count_registered_dspacing(self) -> int:
        """Return how many spacings there are."""
        return len(self.dspacing)

    count_registered_dSpacing = count_registered_dspacing

    def set_wavelength(self, value: float | None) -> None:
        """Set the wavelength in metres."""
        self.wavelength = value

    setWavelength_change2th = set_wavelength

    @property
    def energy(self) -> float | None:
        """In keV."""
        return None if self.wavelength is None else hc / (self.wavelength * 1e10)

    @energy.setter
    def energy(self, value: float) -> None:
        self.wavelength = hc * 1e-10 / value

    def get_2th(self) -> list[float]:
        """Return where the rings are, 2θ in radians; raises `SpecError` without a wavelength."""
        if self.wavelength is None:
            raise SpecError("rings need a wavelength: set calibrant.wavelength")
        sines = 0.5e10 * self.wavelength / np.array(self.dspacing)
        return [float(angle) for angle in 2.0 * np.arcsin(sines[sines <= 1.0])]

    def get_2th_index(self, angle: float, delta: float | None = None) -> int | None:
        """Return which ring is at 2θ (rad), within `delta`; None where none is."""
        rings = np.array(self.get_2th())
        found = int(np.argmin(np.abs(rings - angle)))
        return found if abs(rings[found] - angle) <= (1e-10 if delta is None else delta) else None

    def get_max_wavelength(self, index: int | None = None) -> float:
        """Return the longest wavelength (m) at which a ring, by default the last, can be seen."""
        return 2e-10 * self.dspacing[-1 if index is None else index]

    def get_peaks(self, unit: object = "2th_deg") -> F64:
        """Return where the rings are, in a unit of angle, q or d."""
        angles, name = np.array(self.get_2th()), unit_of(unit)
        if name.base == "2theta":
            return angles * name.factor
        if name.base == "sin_theta" and name.function in ("identity", "reciprocal", "square"):
            assert self.wavelength is not None
            found = name.scale(self.wavelength) * np.sin(0.5 * angles)
            return {"identity": found, "reciprocal": 1.0 / found, "square": found**2}[name.function]
        raise SpecError(f"rings have no place in {name.name}: ask for 2theta, q or d")

    def fake_calibration_image(
        self,
        ai: Any,
        shape: tuple[int, int] | None = None,
        Imax: float = 1.0,
        Imin: float = 0.0,
        resolution: float = 0.1,
    ) -> F64:
        """Return an image of the rings, all of one height, with a width (FWHM) in degrees of 2θ."""
        self.wavelength = self.wavelength or ai.wavelength
        place = ai.center_array(shape, "2th_deg")
        at = np.linspace(place.min(), place.max(), int(np.hypot(*place.shape)))
        sigma = resolution / (2.0 * np.sqrt(2.0 * np.log(2.0)))
        rings = np.rad2deg([angle for angle in self.get_2th() if angle < pi])
        each = np.exp(-0.5 * np.square((at[:, None] - rings) / sigma))
        heights = each.sum(axis=1) / each.max()
        return np.asarray(ai.calcfrom1d(at, Imin + Imax * heights, shape, mask=ai.mask, dim1_unit="2th_deg"))

    def __repr__(self) -> str:
        return f"{self.name or 'Calibrant'}: {len(self.dspacing)} rings, wavelength {self.wavelength}"


def get_calibrant(calibrant_name: str, wavelength: float | None = None) -> Calibrant:
    """Return a calibrant by its name; raises `SpecError` where there is none."""
    return Calibrant.of(calibrant(calibrant_name), wavelength)


def names() -> list[str]:
    """Return the names of all calibrants."""
    return calibrant_names()


class _Factory(dict[str, Callable[..., Calibrant]]):
    """Functions that make calibrants by their names; called with a name, it makes that one."""

    def __call__(self, name: str, wavelength: float | None = None) -> Calibrant:
        return get_calibrant(name, wavelength)


CALIBRANT_FACTORY = _Factory({name: partial(get_calibrant, name) for name in calibrant_names()})
ALL_CALIBRANTS = CALIBRANT_FACTORY
