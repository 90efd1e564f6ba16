"""Diffraction tomography with a pencil beam: which line each frame sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.simulate.orders import MOST_FRAMES, Order, Path, heights, path
from aureole.simulate.phantom import WITHIN, Phantom

F64 = NDArray[np.float64]

_MARGIN = 0.9
"""The sample's radius over that of what all rays see."""


@dataclass(frozen=True, kw_only=True)
class XrdctScan:
    """Diffraction tomography with a pencil beam as wide as a step of the translation.

    The ray of translation j at the angle t is x cos t + y sin t = j - center. The axis wanders: at each angle
    the center is another.

    Attributes
    ----------
    translations, angles, layers : int
        Numbers of points.
    order : {"translation-first", "rotation-first"}
        Which axis is the fast one; layers are the slowest.
    zigzag : bool
        Every second line of the fast axis runs backwards.
    continuous : bool
        The fast axis moves during the exposure; a frame is said to be in the middle of its step.
    interlaced : int
        Passes over the slow axis.
    angle_range : float, optional
        In degrees: angles are i angle_range / angles. 180, or 360 with half acquisition.
    center : float, optional
        Where the axis stands among the translations. Without it 2 % of them beyond the middle, or 15 % from
        the first with half acquisition.
    half_acquisition : bool
        The axis stands near an edge, and the sample reaches as far as the other one.
    wander : float
        Root mean square of the axis about the center, in steps.
    backlash : float
        By how many steps translations are off while they run backwards.
    step : float
        Of translation and height, in mm.
    seed : int
        Of the wandering.

    Raises
    ------
    SpecError
        Numbers that cannot be.
    """

    translations: int
    angles: int
    layers: int = 1
    order: Order = "translation-first"
    zigzag: bool = False
    continuous: bool = False
    interlaced: int = 1
    angle_range: float | None = None
    center: float | None = None
    half_acquisition: bool = False
    wander: float = 0.0
    backlash: float = 0.0
    step: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise SpecError(f"unknown order {self.order!r}; known: {', '.join(get_args(Order))}")
        if min(self.translations, self.angles) < 2:
            raise SpecError(
                f"a tomogram needs two translations and two angles at least, "
                f"not {self.translations} and {self.angles}"
            )
        if not 0.0 < abs(self.turned) <= 360.0:
            raise SpecError(f"the angles must span up to 360 degrees, not {self.turned:g}")
        if not 0.0 <= self.rotation_center <= self.translations - 1:
            raise SpecError(
                f"rotation center {self.rotation_center:g} is outside the translations, "
                f"0 to {self.translations - 1}"
            )
        if not (0.0 <= self.wander < np.inf and np.isfinite(self.backlash) and 0.0 < self.step < np.inf):
            raise SpecError("wander and backlash must be finite numbers of steps, the step a length in mm")
        if self.seed < 0:
            raise SpecError(f"a seed is not negative: {self.seed}")
        if self.interlaced != 1 and self.order == "rotation-first":
            raise SpecError("angles are interlaced where translations run first, not in rotation-first order")
        if self.layers * self.angles * self.translations > MOST_FRAMES:
            raise SpecError(f"a scan of {self.layers} x {self.angles} x {self.translations} frames")
        _ = self.path

    @property
    def turned(self) -> float:
        """The range of the angles in degrees."""
        if self.angle_range is not None:
            return self.angle_range
        return 360.0 if self.half_acquisition else 180.0

    @property
    def rotation_center(self) -> float:
        """Where the axis stands on average, in steps from the first translation."""
        if self.center is not None:
            return self.center
        return self.translations * 0.15 if self.half_acquisition else self.translations * 0.52 - 0.5

    @property
    def radius(self) -> float:
        """Radius of the sample in steps."""
        sides = self.rotation_center, self.translations - 1 - self.rotation_center
        return _MARGIN * ((max if self.half_acquisition else min)(sides) + 0.5)

    @property
    def size(self) -> int:
        """Edge of a slice in voxels: as many as translations, or what half acquisition reaches."""
        if not self.half_acquisition:
            return self.translations
        return 2 * int(np.ceil(max(self.rotation_center, self.translations - 1 - self.rotation_center))) + 1

    @cached_property
    def centers(self) -> F64:
        """Where the axis stood at each angle, shape (angles,): slow and fast wandering."""
        rng = np.random.default_rng([self.seed, 2])
        white = rng.standard_normal(self.angles)
        reach = max(3, self.angles // 8)
        slow = np.convolve(np.pad(white, reach, mode="wrap"), np.hanning(reach + 2), "same")[reach:-reach]
        wander = slow / max(slow.std(), 1e-12) + 0.5 * rng.standard_normal(self.angles)
        wander -= wander.mean()
        scale = self.wander / max(float(np.sqrt(np.mean(wander**2))), 1e-12)
        return np.asarray(self.rotation_center + scale * wander)

    @cached_property
    def path(self) -> Path:
        """The way through the points."""
        slow, fast = self.angles, self.translations
        if self.order == "rotation-first":
            slow, fast = fast, slow
        return path(self.layers, slow, fast, zigzag=self.zigzag, interlaced=self.interlaced)

    @property
    def _points(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Number of the angle and of the translation of each frame."""
        way = self.path
        return (way.fast, way.slow) if self.order == "rotation-first" else (way.slow, way.fast)

    @property
    def rotation(self) -> F64:
        """Angle of each frame in degrees."""
        return np.asarray(self._points[0] * (self.turned / self.angles))

    @property
    def turning(self) -> F64:
        """By how many degrees the sample turns during each exposure."""
        step = self.turned / self.angles * (self.continuous and self.order == "rotation-first")
        return np.where(self.path.backward, -step, step) + 0.0  # no -0

    @property
    def positions(self) -> dict[str, F64]:
        """Where the motors stood for each frame: rotation in degrees, translation and z in mm."""
        found = {
            "rotation": self.rotation,
            "translation": np.asarray(self._points[1] * self.step, np.float64),
        }
        if self.layers > 1:
            found["z"] = np.asarray(self.path.layer * self.step, np.float64)
        return found

    @cached_property
    def rays(self) -> list[tuple[F64, F64]]:
        """Distance (steps from the axis) and angle (rad) of the rays of all frames, (frames,) each.

        One pair for each place within the beam and within the exposure.
        """
        rotation, translation = self._points
        place = translation - self.centers[rotation]
        if self.order == "translation-first":
            place = place + self.backlash * self.path.backward
        angle, turning = np.radians(self.rotation), np.radians(np.abs(self.turning))
        sliding = self.continuous and self.order == "translation-first"
        return [
            (place + within + sliding * moved, angle + turning * moved)
            for within in WITHIN
            for moved in (WITHIN if self.continuous else (0.0,))
        ]

    def lengths(self, phantom: Phantom) -> Iterator[F64]:
        """Yield line integrals in steps, (phases, frames), at places within the beam and the exposure."""
        for distance, angle in self.rays:
            found = np.empty((len(phantom.phases), len(angle)))
            for layer, z in enumerate(heights(self.layers)):
                of = self.path.layer == layer
                found[:, of] = self.radius * phantom.line_integrals(distance[of] / self.radius, angle[of], z)
            yield found

    def overlap(self, x: F64, y: F64, frame: int) -> F64:
        """Return how much the beam of a frame hits grains at x, y (steps from the axis), 0 to 1."""
        found = np.zeros(len(x))
        for distance, angle in self.rays:
            away = x * np.cos(angle[frame]) + y * np.sin(angle[frame]) - distance[frame]
            found += np.abs(away) < 0.5 / len(WITHIN)
        return found * len(WITHIN) / len(self.rays)

    def truth(self, phantom: Phantom) -> F64:
        """Return the mean fractions of voxels, (phases, z, y, x)."""
        axis = np.asarray((np.arange(self.size) - (self.size - 1) / 2) / self.radius, np.float64)
        return np.stack([phantom.voxels(axis, axis, z) for z in heights(self.layers)], axis=1)
