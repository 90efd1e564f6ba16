"""A powder under a beam: what the detector is expected to count, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi, sin, sqrt, tan

import numpy as np
from numpy.typing import NDArray

from aureole.calibration import Calibrant, calibrant
from aureole.errors import SpecError
from aureole.geometry import Geometry, detector

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_STEPS = 64
"""Steps a pixel in the table of the profile: rings stand within 1/128 of a pixel of their place."""
_ATOMS = {
    "CeO2": ((58.0, 0.0, 0.0, 0.0), (8.0, 0.25, 0.25, 0.25), (8.0, 0.75, 0.75, 0.75)),
    "Ni": ((28.0, 0.0, 0.0, 0.0),),
}
"""Number of electrons and place of the atoms at one point of the face-centred lattices."""
_EXPANSION = {"CeO2": 0.0084, "Ni": 0.0098}
"""Relative growth of the lattice on heating by 700 K."""
_STOP_RADIUS = 0.010
_STOP_LEAK = 0.02


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
        pixels = detector(self.detector)
        size1, size2 = (
            count * pixel
            for count, pixel in zip(pixels.known_shape, (pixels.pixel1, pixels.pixel2), strict=True)
        )
        pose = Geometry(
            pixels,
            dist=1.885 * size1,
            poni1=0.501 * size1,
            poni2=0.4985 * size2,
            rot1=-2e-3,
            rot2=1.5e-3,
        )
        return pose.with_energy(self.energy_kev)


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
        two_theta = self.geometry.center_array("2th_rad")
        gaps = self.geometry.detector.mask
        self._step = self.geometry.detector.pixel1 / self.geometry.dist / _STEPS
        self._place = np.rint(two_theta / self._step).astype(np.int32)
        self._grid: F64 = np.arange(int(self._place.max()) + 1, dtype=np.float64) * self._step
        share = self.geometry.solid_angle() * self.geometry.polarization(0.99)
        share[two_theta < _STOP_RADIUS] *= _STOP_LEAK
        self._choose_defects(gaps)
        share[self.invalid] = 0.0
        valid = np.count_nonzero(~self.invalid)
        self._share = share.astype(np.float32)
        self._scale = 1.0
        self._scale = powder.counts * valid / float(self.expectation(0.0).sum(dtype=np.float64))

    def _choose_defects(self, gaps: NDArray[np.bool_]) -> None:
        rng = np.random.default_rng([self.powder.seed, 0])
        sensitive = np.flatnonzero(~gaps)
        chosen = rng.choice(sensitive, size=max(2, sensitive.size // 2000), replace=False)
        n_hot = max(1, chosen.size // 150)
        self.hot = np.sort(chosen[:n_hot])
        self._dead = np.sort(chosen[n_hot:])
        self.invalid = gaps.copy()
        self.invalid.reshape(-1)[self._dead] = True

    def expectation(self, heat: float) -> F32:
        """Return what each pixel counts on average, but for hot ones; zero where invalid.

        Parameters
        ----------
        heat : float
            From 0 (cold) to 1 (heated by 700 K).
        """
        profile = self._scale * _profile(self._grid, self.geometry, heat, _STEPS * self._step)
        image: F32 = np.take(profile.astype(np.float32), self._place)
        image *= self._share
        return image

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
        rng = np.random.default_rng([self.powder.seed, 1, index])
        mean = self.expectation(heat)
        mean *= np.float32(flux)
        mean.reshape(-1)[self.hot] *= 30.0
        image = rng.poisson(mean).astype(np.int32)
        image[self.invalid] = -1
        image.reshape(-1)[self._dead] = -2
        return image


def heat_at(index: int, period: int) -> float:
    """Return the heat (0 to 1) of a frame of a series that heats and cools down within `period` frames."""
    return sin(pi * index / period) ** 2


def _profile(two_theta: F64, geometry: Geometry, heat: float, pixel_angle: float) -> F64:
    """Return the intensity against 2θ (rad) in arbitrary units."""
    wavelength = geometry.wavelength
    assert wavelength is not None
    nickel = 1.0 / (1.0 + np.exp(-(heat - 0.5) / 0.07))
    q = 4.0 * pi * np.sin(0.5 * two_theta) / wavelength * 1e-10
    halo = np.exp(-0.5 * ((q - 2.1) / 0.5) ** 2) + 0.5 * np.exp(-0.5 * ((q - 4.6) / 1.0) ** 2)
    profile: F64 = 1.0 + 3.0 * np.exp(-q / 0.7) + (1.0 - 0.8 * nickel) * 0.7 * halo
    for name, weight in (("CeO2", 1.0), ("Ni", 0.55 * nickel)):
        phase = _heated(calibrant(name), heat)
        for centre, strength in _rings(phase, wavelength, float(two_theta[-1])):
            width = sqrt((2.6 * pixel_angle) ** 2 + (6e-3 * tan(0.5 * centre)) ** 2)
            first, last = np.searchsorted(two_theta, (centre - 25.0 * width, centre + 25.0 * width))
            place = (two_theta[first:last] - centre) / width
            height = weight * strength * pixel_angle / width
            profile[first:last] += height * _pseudo_voigt(place)
    return profile


def _heated(phase: Calibrant, heat: float) -> Calibrant:
    a, b, c, alpha, beta, gamma = phase.lattice
    grown = 1.0 + _EXPANSION[phase.name] * heat
    return replace(phase, lattice=(a * grown, b * grown, c * grown, alpha, beta, gamma))


def _rings(phase: Calibrant, wavelength: float, largest: float) -> list[tuple[float, float]]:
    """Return 2θ (rad) and strength of the rings of a phase, the latter against its strongest one times 120.

    A pixel sees of a ring m |F|² / (sin θ sin 2θ), with m reflections and the structure factor F; the
    polarization is not in here. B. E. Warren, X-ray Diffraction (1969), chapter 4.
    """
    rings = []
    for ring in phase.reflections(wavelength / (2.0 * sin(0.5 * largest))):
        theta = np.arcsin(min(1.0, wavelength / (2.0 * ring.d)))
        s = 0.5e-10 / ring.d
        atoms = np.array(_ATOMS[phase.name])
        # electrons that scatter in phase get fewer with the angle, and atoms swing by about 0.08 Å
        factors = atoms[:, 0] / (1.0 + s / 0.45) * np.exp(-0.5 * s * s)
        amplitude = np.sum(factors * np.exp(2j * pi * (atoms[:, 1:] @ np.array(ring.hkl))))
        strength = ring.multiplicity * abs(amplitude) ** 2 / (np.sin(theta) * np.sin(2.0 * theta))
        rings.append((float(2.0 * theta), float(strength)))
    strongest = max((strength for _, strength in rings), default=1.0)
    return [(centre, 120.0 * strength / strongest) for centre, strength in rings]


def _pseudo_voigt(place: F64, lorentzian: float = 0.35) -> F64:
    """Return a peak of height about one, of unit full width at half maximum."""
    square = place * place
    gaussian = np.exp(-4.0 * np.log(2.0) * square)
    peak: F64 = lorentzian / (1.0 + 4.0 * square) + (1.0 - lorentzian) * gaussian
    return peak
