"""Where the rays of a scan ran: parallel or pencil beams, the sample turned and translated."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError

_WEDGE = 10.0
"""Gaps between angles that are wider than so many median steps are a wedge that nobody measured."""


class ParallelBeam:
    """The rays of a sinogram of shape (angles, translations).

    In a slice of `size` x `size` pixels, each as large as a step of the translation, x counts columns and y
    rows from the middle of the slice, where the rotation axis stands. The ray of translation j at the angle θ
    is the line x cos θ + y sin θ = j - rotation_center, less the shift of that projection where there is one.

    Parameters
    ----------
    angles : array_like, shape (angles,)
        In radians.
    translations : int
        How many there are.
    rotation_center : float, optional
        Where the axis stands among the translations, in steps from the first; in their middle without it.
    size : int, optional
        Edge of a slice in pixels; as many as there are translations without it.
    half_acquisition : bool
        Over 360°, with the axis near one edge: each line that both half turns see is shared between them.
    shifts : array_like, shape (angles,), optional
        How far each projection stands too far, in steps: `normalise.jitter` or `backlash`. So nothing is
        interpolated, and variances stay exact.

    Raises
    ------
    SpecError
        Angles that are none, not finite, or all the same; an axis outside the translations; sizes below one;
        shifts that are not one for each angle, not finite, or as large as the translations reach.
    """

    def __init__(
        self,
        angles: ArrayLike,
        translations: int,
        *,
        rotation_center: float | None = None,
        size: int | None = None,
        half_acquisition: bool = False,
        shifts: ArrayLike | None = None,
    ) -> None:
        self.angles = np.array(angles, np.float64)
        self.angles.flags.writeable = False
        self.translations = int(translations)
        middle = (self.translations - 1) / 2
        self.rotation_center = middle if rotation_center is None else float(rotation_center)
        self.size = self.translations if size is None else int(size)
        self.half_acquisition = half_acquisition
        if self.angles.ndim != 1 or not len(self.angles):
            raise SpecError(f"angles of shape {self.angles.shape}; wanted is one for each projection")
        if not np.isfinite(self.angles).all():
            raise SpecError(f"angle {int(np.argmin(np.isfinite(self.angles)))} is not finite")
        if np.ptp(self.angles) == 0:
            raise SpecError(f"all angles are {np.degrees(self.angles[0]):g}°: the sample was not turned")
        if self.translations < 1 or self.size < 1:
            raise SpecError(f"a slice of {self.size} pixels from {self.translations} translations")
        if not 0 <= self.rotation_center <= self.translations - 1:
            raise SpecError(
                f"rotation center {self.rotation_center:g} is outside the translations, "
                f"0 to {self.translations - 1}"
            )
        self.shifts = np.zeros(len(self.angles)) if shifts is None else np.array(shifts, np.float64)
        self.shifts.flags.writeable = False
        if self.shifts.shape != self.angles.shape or not np.isfinite(self.shifts).all():
            raise SpecError(f"shifts are finite, one for each of {len(self.angles)} angles")
        if np.abs(self.shifts).max() > self.translations / 2:
            raise SpecError(f"a shift of {np.abs(self.shifts).max():g} of {self.translations} translations")

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a sinogram: (angles, translations)."""
        return len(self.angles), self.translations

    @property
    def sides(self) -> tuple[float, float]:
        """How far the translations reach before and after the axis, in steps, at all angles."""
        before, after = self.centers.min(), self.translations - 1 - self.centers.max()
        return max(float(before), 0.0), max(float(after), 0.0)

    @property
    def centers(self) -> NDArray[np.float64]:
        """Where the axis stands among the translations of each projection, shape (angles,)."""
        return self.rotation_center + self.shifts

    def only(self, keep: ArrayLike) -> ParallelBeam:
        """Return the beam of some of the projections.

        Parameters
        ----------
        keep : array_like of bool, shape (angles,)
            Such as `normalise.good_angles`. Sinograms are to be cut likewise: `sinograms[..., keep, :]`.

        Raises
        ------
        SpecError
            A mask of another shape; fewer than two angles are left.
        """
        mask = np.asarray(keep, bool)
        if mask.shape != self.angles.shape:
            raise SpecError(f"a mask of shape {mask.shape} for {len(self.angles)} angles")
        return ParallelBeam(
            self.angles[mask],
            self.translations,
            rotation_center=self.rotation_center,
            size=self.size,
            half_acquisition=self.half_acquisition,
            shifts=self.shifts[mask],
        )

    @property
    def period(self) -> float:
        """Angle after which all lines have been seen once."""
        return 2 * np.pi if self.half_acquisition else np.pi

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """What each projection counts, shape (angles,): the angle that it stands for.

        That is half the way to its neighbours on both sides, so that angles may be irregular, repeated or
        partly missing. Across a wedge that was not measured at all, projections stand for a usual step.
        """
        order = np.argsort(self.angles % self.period, kind="stable")
        turned = (self.angles % self.period)[order]
        gaps = np.diff(turned, append=turned[0] + self.period)
        distinct = gaps[gaps > 1e-9]
        usual = float(np.median(distinct))
        gaps = np.where(gaps > _WEDGE * usual, usual, gaps)
        weights = np.empty_like(gaps)
        weights[order] = (gaps + np.roll(gaps, 1)) / 2
        return weights

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """What a line counts that half acquisition saw twice, shape (translations,); ones otherwise.

        Where both half turns see a line, the share rises evenly across the overlap, so that the two sum to 1.
        """
        offset = np.arange(self.translations) - self.rotation_center
        if not self.half_acquisition:
            return np.ones(self.translations)
        before, after = self.sides
        overlap = max(min(before, after), 0.5)
        rising = np.clip((1 + offset / overlap) / 2, 0.0, 1.0)
        return rising if after >= before else 1.0 - rising

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Which pixels rays of all angles passed, shape (size, size)."""
        before, after = self.sides
        radius = (max if self.half_acquisition else min)(before, after) + 0.5
        axis = np.arange(self.size) - (self.size - 1) / 2
        return np.asarray(np.hypot(axis[:, None], axis) <= radius)
