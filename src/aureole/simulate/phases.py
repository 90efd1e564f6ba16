"""What phases scatter: intensity against 2θ from lattice and atoms, and of amorphous matter and air."""

from __future__ import annotations

from itertools import product
from math import pi, sin, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.calibration import Calibrant, calibrant
from aureole.errors import SpecError
from aureole.simulate.screen import Screen

F64 = NDArray[np.float64]

_BORON, _AL, _O = 0.1993, 0.3522, 0.3063
_ATOMS = {
    "CeO2": ((58.0, 0.0, 0.0, 0.0), (8.0, 0.25, 0.25, 0.25), (8.0, 0.75, 0.75, 0.75)),
    "Ni": ((28.0, 0.0, 0.0, 0.0),),
    "LaB6": (
        (57.0, 0.0, 0.0, 0.0),
        *((5.0, *np.roll((sign * _BORON, 0.5, 0.5), axis)) for sign, axis in product((1, -1), range(3))),
    ),
    "Al2O3": (
        *((13.0, 0.0, 0.0, z) for z in (_AL, 0.5 - _AL, -_AL, 0.5 + _AL)),
        *(
            (8.0, sign * x, sign * y, 0.5 - 0.25 * sign)
            for sign in (1, -1)
            for x, y in ((_O, 0.0), (0.0, _O), (-_O, -_O))
        ),
    ),
}
"""Number of electrons and place of the atoms at one point of the (centred) lattices."""
AMORPHOUS = "amorphous"
ATTENUATION = {"CeO2": 26.0, "LaB6": 14.0, "Ni": 9.6, "Al2O3": 1.0, AMORPHOUS: 0.25}
"""About what the solid phases attenuate at 70 keV, per cm; only their ratios are used."""


def phase_names() -> list[str]:
    """Return the names of the phases that can be in a phantom."""
    return list(ATTENUATION)


class Pattern(NamedTuple):
    """What a phase scatters: its profile at `Screen.two_theta`, and 2θ and area of its rings, (rings, 2)."""

    profile: F64
    rings: F64


def pattern(name: str, screen: Screen) -> Pattern:
    """Return the pattern of a phase, such that a valid pixel gets 1 on average.

    So equal amounts of all phases scatter alike, as if the heavy ones were diluted: corundum would hide
    behind a thirtieth of its volume of nickel.

    Raises
    ------
    SpecError
        No such phase.
    """
    if name not in ATTENUATION:
        raise SpecError(f"unknown phase {name!r}; known: {', '.join(ATTENUATION)}")
    crystal = None if name == AMORPHOUS else calibrant(name)
    profile = halo(screen.q) if crystal is None else peaks(crystal, screen)
    mean = screen.mean(profile)
    if mean == 0.0:
        raise SpecError(f"no ring of {name} meets the detector at {screen.geometry.energy_kev:g} keV")
    found = [] if crystal is None else rings(crystal, screen)
    areas = [(centre, strength * screen.pixel_angle * _AREA / mean) for centre, strength in found]
    return Pattern(profile / mean, np.array(areas).reshape(-1, 2))


def halo(q: F64) -> F64:
    """Return the scattering of amorphous matter at q (Å⁻¹), of height about one."""
    rings: F64 = np.exp(-0.5 * ((q - 2.1) / 0.5) ** 2) + 0.5 * np.exp(-0.5 * ((q - 4.6) / 1.0) ** 2)
    return rings


def air(q: F64) -> F64:
    """Return scattering of air, upon flat Compton scattering, at q (Å⁻¹)."""
    small: F64 = 1.0 + 3.0 * np.exp(-q / 0.7)
    return small


def peaks(phase: Calibrant, screen: Screen) -> F64:
    """Return the rings of a phase, pseudo-Voigt and a few pixels wide; the strongest is about 50 high."""
    two_theta = screen.two_theta
    profile = np.zeros_like(two_theta)
    for centre, strength in rings(phase, screen):
        width = float(ring_width(centre, screen))
        first, last = np.searchsorted(two_theta, (centre - 25.0 * width, centre + 25.0 * width))
        place = (two_theta[first:last] - centre) / width
        profile[first:last] += strength * screen.pixel_angle / width * _pseudo_voigt(place)
    return profile


def ring_width(centre: float | F64, screen: Screen) -> F64:
    """Return the full width at half maximum of rings at 2θ, in radians."""
    return np.asarray(np.sqrt((2.6 * screen.pixel_angle) ** 2 + (6e-3 * np.tan(0.5 * centre)) ** 2))


def rings(phase: Calibrant, screen: Screen) -> list[tuple[float, float]]:
    """Return 2θ (rad) and strength of the rings of a phase, the latter against its strongest one times 120.

    A pixel sees of a ring m |F|² / (sin θ sin 2θ), with m reflections and the structure factor F; the
    polarization is not in here. B. E. Warren, X-ray Diffraction (1969), chapter 4. Form factors and
    displacements are approximate.
    """
    wavelength = screen.geometry.wavelength
    assert wavelength is not None
    found = []
    for ring in phase.reflections(wavelength / (2.0 * sin(0.5 * float(screen.two_theta[-1])))):
        assert ring.hkl is not None
        assert ring.multiplicity is not None  # of a lattice both are known
        theta = np.arcsin(min(1.0, wavelength / (2.0 * ring.d)))
        s = 0.5e-10 / ring.d
        atoms = np.array(_ATOMS[phase.name])
        # electrons that scatter in phase get fewer with the angle, and atoms swing by about 0.08 Å
        factors = atoms[:, 0] / (1.0 + s / 0.45) * np.exp(-0.5 * s * s)
        amplitude = np.sum(factors * np.exp(2j * pi * (atoms[:, 1:] @ np.array(ring.hkl))))
        strength = ring.multiplicity * abs(amplitude) ** 2 / (np.sin(theta) * np.sin(2.0 * theta))
        found.append((float(2.0 * theta), float(strength)))
    strongest = max((strength for _, strength in found), default=1.0)
    return [(centre, 120.0 * strength / strongest) for centre, strength in found]


_LORENTZIAN = 0.35
_AREA = _LORENTZIAN * pi / 2.0 + (1.0 - _LORENTZIAN) * sqrt(pi / np.log(16.0))
"""Of the peak below."""


def _pseudo_voigt(place: F64) -> F64:
    """Return a peak of height about one, of unit full width at half maximum."""
    square = place * place
    gaussian = np.exp(-4.0 * np.log(2.0) * square)
    peak: F64 = _LORENTZIAN / (1.0 + 4.0 * square) + (1.0 - _LORENTZIAN) * gaussian
    return peak
