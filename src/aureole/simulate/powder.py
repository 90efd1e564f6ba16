"""A powder under a beam: what the detector is expected to count, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi, sin

import numpy as np
from numpy.typing import NDArray

from aureole.calibration import Calibrant, calibrant
from aureole.errors import SpecError
from aureole.geometry import Geometry
from aureole.simulate.phases import air, halo, peaks
from aureole.simulate.screen import Screen, standing

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_EXPANSION = {"CeO2": 0.0084, "Ni": 0.0098}
"""Relative growth of the lattice on heating by 700 K."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Powder:
    """Ceria with an amorphous nickel compound in an oven, and the detector behind it.

    While the oven heats, the lattice of ceria grows, and around half of the way nickel crystallises at the
    cost of the amorphous scattering. Rings have the intensities of kinematic scattering from the atoms of the
    cell (form factors and displacements are approximate), pseudo-Voigt profiles a few pixels wide, and lie
    upon scattering from air, flat Compton scattering and an amorphous halo. Solid angle and polarization act
    on all of it; a round beam stop covers the middle.

    Attributes
    ----------
    detector : str
        Any detector with a shape.
    energy_kev : float
        Photon energy.
    counts : float
        What a valid pixel counts on average before heating. This decides how well frames compress: of the
        pixel differences of a 2M frame, 2 % do not fit into a byte with 100 counts (2.6 MB), 14 to 18 % with
        1000 (3.3 MB), 35 % with 5000 (4.2 MB). Long exposures of real powders have 15 to 34 %, in frames of
        3.2 to 4.1 MB; those of a few milliseconds are like the first.
    seed : int
        Of all that is random: noise, and which pixels are dead or hot. Equal seeds give equal frames.

    Raises
    ------
    GeometryError
        Unknown detector, one without a shape, or an impossible energy.
    SpecError
        Counts that are not positive.
    """

    detector: str = "Pilatus 2M CdTe"
    energy_kev: float = 71.0
    counts: float = 1000.0
    seed: int = 0

    def geometry(self) -> Geometry:
        """Return where the detector stands: rings to about 17° are whole, in the corners there is more."""
        return standing(self.detector, self.energy_kev)


class Exposure:
    """The frames of a powder: slow work done once, then any frame, from any thread.

    Parameters
    ----------
    powder : Powder

    Attributes
    ----------
    geometry : Geometry
    invalid : ndarray of bool, shape (n1, n2)
        Gaps and dead pixels.
    hot : ndarray of int
        Index into the pixels in C order of the few that count far too much.

    Raises
    ------
    GeometryError, SpecError
        As for `Powder`.
    """

    def __init__(self, powder: Powder) -> None:
        if not 0.0 < powder.counts < 1e6:
            raise SpecError(f"simulated frames need between 0 and 1e6 counts a pixel, not {powder.counts:g}")
        self.powder = powder
        self.geometry = powder.geometry()
        self._screen = Screen(self.geometry, powder.seed)
        self.invalid, self.hot = self._screen.invalid, self._screen.hot
        self._scale = powder.counts / self._screen.mean(_profile(self._screen, 0.0))

    def expectation(self, heat: float) -> F32:
        """Return what each pixel counts on average, but for hot ones; zero where invalid.

        Parameters
        ----------
        heat : float
            From 0 (cold) to 1 (heated by 700 K).
        """
        return self._screen.expectation(self._scale * _profile(self._screen, heat))

    def frame(self, index: int, heat: float, flux: float = 1.0) -> NDArray[np.int32]:
        """Return one frame: Poisson noise of its own, gaps -1, dead pixels -2.

        Parameters
        ----------
        index : int
            Number of the frame: with the seed it determines the noise.
        heat : float
            As for `expectation`.
        flux : float
            Of the beam, relative to its mean.

        Returns
        -------
        ndarray of int32, shape (n1, n2)
        """
        mean = self.expectation(heat)
        mean *= np.float32(flux)
        return self._screen.counted(mean, [self.powder.seed, 1, index])


def heat_at(index: int, period: int) -> float:
    """Return the heat (0 to 1) of a frame of a series that heats and cools down within `period` frames."""
    return sin(pi * index / period) ** 2


def _profile(screen: Screen, heat: float) -> F64:
    """Return the intensity against 2θ in arbitrary units."""
    nickel = 1.0 / (1.0 + np.exp(-(heat - 0.5) / 0.07))
    profile: F64 = air(screen.q) + (1.0 - 0.8 * nickel) * 0.7 * halo(screen.q)
    for name, weight in (("CeO2", 1.0), ("Ni", 0.55 * nickel)):
        profile += weight * peaks(_heated(calibrant(name), heat), screen)
    return profile


def _heated(phase: Calibrant, heat: float) -> Calibrant:
    assert phase.lattice is not None
    a, b, c, alpha, beta, gamma = phase.lattice
    grown = 1.0 + _EXPANSION[phase.name] * heat
    return replace(phase, lattice=(a * grown, b * grown, c * grown, alpha, beta, gamma))
