"""Samples that are known: regions of phases, whose line integrals follow from formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gamma, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.simulate.phases import AMORPHOUS, phase_names

F64 = NDArray[np.float64]

WITHIN = (np.arange(4) + 0.5) / 4 - 0.5
"""Places within a step, for what is averaged over it: voxels, the beam's width, a move during an exposure."""


@dataclass(frozen=True, slots=True)
class Region:
    """An ellipse, or one layer of an ellipsoid, that holds some of a phase. Lengths are in sample radii.

    Attributes
    ----------
    phase : str
        Its name.
    amount : float
        Volume fraction in the middle; a negative one takes away, which makes rings of ellipses.
    x, y : float
        Middle: x along columns, y along rows.
    radius : float
        Half its axis along x, before it is tilted.
    aspect : float
        Its other axis over this one.
    tilt : float
        From x to y, in radians.
    smooth : int
        0 for sharp edges; k for a fraction that falls as (1 - r²)ᵏ.
    z, height : float
        Middle and half height, where layers go from -1 to 1; without a height it is a column.
    """

    phase: str
    amount: float
    x: float
    y: float
    radius: float
    aspect: float = 1.0
    tilt: float = 0.0
    smooth: int = 0
    z: float = 0.0
    height: float = np.inf

    def fraction(self, x: ArrayLike, y: ArrayLike, z: float = 0.0) -> F64:
        """Return the volume fraction at places."""
        dx, dy = np.asarray(x) - self.x, np.asarray(y) - self.y
        along = (dx * np.cos(self.tilt) + dy * np.sin(self.tilt)) / self.radius
        across = (dy * np.cos(self.tilt) - dx * np.sin(self.tilt)) / (self.radius * self.aspect)
        inside = 1.0 - along**2 - across**2 - ((z - self.z) / self.height) ** 2
        found: F64 = self.amount * np.where(inside > 0.0, np.maximum(inside, 0.0) ** self.smooth, 0.0)
        return found

    def line_integral(self, distance: ArrayLike, angle: ArrayLike, z: float = 0.0) -> F64:
        """Return the integral of the fraction along x cos(angle) + y sin(angle) = distance.

        With u the distance from the middle over the half width of the shadow, the chord holds
        B(1/2, k + 1) (1 - u²)^(k + 1/2) times both half axes over the half width.
        """
        angle = np.asarray(angle)
        layer = 1.0 - ((z - self.z) / self.height) ** 2
        if layer <= 0.0:
            return np.zeros(np.broadcast_shapes(np.shape(distance), angle.shape))
        first = self.radius * sqrt(layer)
        second = first * self.aspect
        width = np.hypot(first * np.cos(angle - self.tilt), second * np.sin(angle - self.tilt))
        u = (np.asarray(distance) - self.x * np.cos(angle) - self.y * np.sin(angle)) / width
        beta = sqrt(pi) * gamma(self.smooth + 1.0) / gamma(self.smooth + 1.5)
        chord = np.maximum(1.0 - u * u, 0.0) ** (self.smooth + 0.5)
        found: F64 = self.amount * layer**self.smooth * beta * first * second / width * chord
        return found

    def area(self, z: float = 0.0) -> float:
        """Return the integral of the fraction over a layer."""
        layer = max(1.0 - ((z - self.z) / self.height) ** 2, 0.0) ** (self.smooth + 1)
        return self.amount * pi * self.radius**2 * self.aspect * layer / (self.smooth + 1)


@dataclass(frozen=True, slots=True)
class Phantom:
    """A sample of unit radius: regions of phases that may overlap.

    Attributes
    ----------
    phases : tuple of str
        Names, in the order of all that is returned.
    regions : tuple of Region

    Raises
    ------
    SpecError
        No phases, unknown ones, a region beyond the radius or of another phase, fractions outside of 0 to 1.
    """

    phases: tuple[str, ...]
    regions: tuple[Region, ...]

    def __post_init__(self) -> None:
        unknown = [name for name in self.phases if name not in phase_names()]
        if unknown or not self.phases:
            named = f"unknown phase {unknown[0]!r}" if unknown else "a phantom needs a phase"
            raise SpecError(f"{named}; known: {', '.join(phase_names())}")
        if len(set(self.phases)) < len(self.phases):
            raise SpecError(f"a phase is named twice: {', '.join(self.phases)}")
        for region in self.regions:
            if region.phase not in self.phases:
                raise SpecError(f"a region holds {region.phase}, which is no phase of the phantom")
            if np.hypot(region.x, region.y) + region.radius * max(1.0, region.aspect) > 1.0 + 1e-9:
                raise SpecError(f"a region of {region.phase} reaches beyond the radius of the sample")
        axis = np.linspace(-1.0, 1.0, 101)
        for z in np.linspace(-1.0, 1.0, 9):
            found = self.fractions(axis, axis[:, None], z)
            if found.min() < -1e-9 or found.sum(axis=0).max() > 1.0 + 1e-9:
                raise SpecError("the volume fractions of a phantom, and their sum, must lie between 0 and 1")

    def fractions(self, x: ArrayLike, y: ArrayLike, z: float = 0.0) -> F64:
        """Return the volume fractions at places, shape (phases, ...)."""
        shape = np.broadcast_shapes(np.shape(x), np.shape(y))
        found = np.zeros((len(self.phases), *shape))
        for region in self.regions:
            found[self.phases.index(region.phase)] += region.fraction(x, y, z)
        return found

    def line_integrals(self, distance: ArrayLike, angle: ArrayLike, z: float = 0.0) -> F64:
        """Return the integrals along x cos(angle) + y sin(angle) = distance, shape (phases, ...)."""
        shape = np.broadcast_shapes(np.shape(distance), np.shape(angle))
        found = np.zeros((len(self.phases), *shape))
        for region in self.regions:
            found[self.phases.index(region.phase)] += region.line_integral(distance, angle, z)
        return found

    def voxels(self, x: F64, y: F64, z: float = 0.0) -> F64:
        """Return mean volume fractions of voxels, shape (phases, rows, columns).

        Parameters
        ----------
        x, y : ndarray, shapes (columns,) and (rows,)
            Middles of the voxels, evenly spaced, two at least.
        z : float
            Height of the layer.
        """
        found = np.zeros((len(self.phases), len(y), len(x)))
        for dy in WITHIN * (y[1] - y[0]):
            for dx in WITHIN * (x[1] - x[0]):
                found += self.fractions(x + dx, (y + dy)[:, None], z)
        # what regions take away leaves zero but for rounding
        return np.maximum(found / len(WITHIN) ** 2, 0.0)


def sample(phases: Sequence[str] = tuple(phase_names())) -> Phantom:
    """Return the phantom of demos and tests: a catalyst-like body of the phases named.

    Corundum makes a thick wall, ceria a body within, lanthanum hexaboride a smooth cloud that overlaps it,
    nickel a few particles of different sizes. Over several layers they come and go.

    Raises
    ------
    SpecError
        Unknown phases, or none.
    """
    regions = (
        Region("Al2O3", 0.6, 0.0, 0.0, 0.94),
        Region("Al2O3", -0.6, 0.05, -0.03, 0.74),
        Region("CeO2", 0.35, -0.22, 0.12, 0.42, 0.7, 0.5, height=1.6),
        Region("LaB6", 0.3, 0.2, -0.2, 0.45, 0.8, -0.4, smooth=1, height=1.5),
        Region("Ni", 0.3, 0.36, 0.38, 0.16, z=-0.2, height=1.2),
        Region("Ni", 0.3, -0.1, -0.5, 0.1, 1.4, 0.3, z=0.2, height=1.2),
        Region("Ni", 0.15, 0.0, 0.0, 0.08),
        Region(AMORPHOUS, 0.2, 0.0, 0.0, 1.0),
    )
    return Phantom(tuple(phases), tuple(region for region in regions if region.phase in phases))
