"""Where the rotation axis stands among the translations, found from a sinogram alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.tomo.beam import ParallelBeam
from aureole.tomo.fbp import FilteredBackprojection
from aureole.tomo.normalise import fit_sine
from aureole.tomo.rays import checked

Sinogram = NDArray[np.float64]


@dataclass(frozen=True)
class Center:
    """A rotation axis and how sure it is.

    Attributes
    ----------
    value : float
        In steps from the first translation: the median of what the methods say.
    found : dict of str to float
        What each method says.
    """

    value: float
    found: dict[str, float]

    @property
    def spread(self) -> float:
        """How far the methods are apart, in steps."""
        return max(self.found.values()) - min(self.found.values())


def find_center(sinogram: ArrayLike, angles: ArrayLike, *, half_acquisition: bool = False) -> Center:
    """Return the rotation axis on which several methods agree.

    Those of `METHODS` want a sample that never leaves the rays, and half a turn of it; of a full turn they
    take the first half. For half acquisition there are those of `HALF_METHODS`.

    Parameters
    ----------
    sinogram : array_like, shape (angles, translations)
        Of much signal: the sum of all channels, say.
    angles : array_like, shape (angles,)
        In radians; 180° or more of them, evenly spread; 360° for half acquisition.
    half_acquisition : bool
        The axis stands near one edge, and each half turn sees half of the sample.

    Raises
    ------
    SpecError
        Shapes that do not fit, a sinogram without contrast, or angles that cover less than 150°, for half
        acquisition 330°.
    """
    turned = np.asarray(angles, np.float64)
    beam = ParallelBeam(turned, np.shape(sinogram)[-1])
    given = checked(sinogram, beam.shape, "sinogram").astype(np.float64)
    # what all rays see alike, such as air, is no sample
    edge = max(1, given.shape[1] // 50)
    given -= min(given[:, :edge].mean(), given[:, -edge:].mean())
    check_angles(turned, half_acquisition=half_acquisition)
    if given.sum(axis=1).min() <= 0 or np.ptp(given) == 0:
        raise SpecError("a sinogram without contrast does not tell the rotation center: give it")
    methods = HALF_METHODS if half_acquisition else METHODS
    found = {name: method(given, turned) for name, method in methods.items()}
    return Center(float(np.median(list(found.values()))), found)


def check_angles(angles: NDArray[np.float64], *, half_acquisition: bool) -> None:
    """Raise `SpecError` if angles (in radians) cover too little to tell the rotation axis."""
    if np.ptp(angles) < np.radians(330 if half_acquisition else 150):
        raise SpecError(
            f"angles over {np.degrees(np.ptp(angles)):.0f}° do not tell the rotation center: give it"
        )


def by_mass(sinogram: Sinogram, angles: NDArray[np.float64]) -> float:
    """Return the middle of the sine on which the centre of mass of the projections moves.

    The sample must be within the translations at all angles. The fit is weighed down where it does not hold
    (Tukey's biweight), so that some bad projections do no harm.
    """
    places = np.arange(sinogram.shape[1])
    masses = sinogram @ places / sinogram.sum(axis=1)
    weights = np.ones_like(angles)
    for _ in range(10):
        middle, rest = fit_sine(masses, angles, weights)
        scale = 4.685 * 1.4826 * np.median(np.abs(rest)) + 1e-12
        weights = np.clip(1 - (rest / scale) ** 2, 0, None) ** 2
    return middle


def by_sharpness(sinogram: Sinogram, angles: NDArray[np.float64]) -> float:
    """Return the axis that makes the slice least negative.

    Of half a turn, a wrong axis smears each point to a half ring of both signs, so that there is least below
    zero at the right one (T. Donath et al., J. Opt. Soc. Am. A 23 (2006) 1048,
    doi:10.1364/JOSAA.23.001048).
    """
    width, start = sinogram.shape[1], by_mass(sinogram, angles)
    sinogram, angles = _half_turn(sinogram, angles)
    # what is seen whichever axis is tried: a score must not fall because there is less of the slice
    size = max(3, int(2 * (min(start, width - 1 - start) - _reach(width))))

    def score(center: float) -> float:
        beam = ParallelBeam(angles, width, rotation_center=center, size=size)
        slice_ = FilteredBackprojection(beam, "hann", method="fourier").reconstruct(sinogram, threads=1)
        return float(np.maximum(-slice_, 0, dtype=np.float64).sum())

    return _least(score, start, width)


def by_wedge(sinogram: Sinogram, angles: NDArray[np.float64]) -> float:
    """Return the axis that empties the double wedge of the sinogram's transform.

    A half turn and its mirror image about the right axis make a full turn, whose transform is empty where
    frequencies along the angle exceed what the sample's radius allows (N. T. Vo et al., Opt. Express 22
    (2014) 19078, doi:10.1364/OE.22.019078).
    """
    turn = _half_turn(sinogram, angles)[0] - np.median(sinogram)
    count, width = turn.shape
    along = np.fft.fftfreq(2 * count, 1 / (2 * count))
    across = np.fft.fftfreq(width)
    outside = np.abs(along)[:, None] > 2 * np.pi * np.abs(across) * width / 2 + 3
    spectrum = np.fft.fft(turn, axis=1)
    mirrored = np.conj(spectrum) * np.exp(-2j * np.pi * across * (width - 1))

    def score(center: float) -> float:
        # the mirror image of the middle, shifted to that of the axis
        moved = mirrored * np.exp(-2j * np.pi * across * (2 * center - (width - 1)))
        whole = np.fft.fft(np.concatenate([spectrum, moved]), axis=0)
        return float(np.abs(whole[outside]).mean())

    return _least(score, by_mass(sinogram, angles), width)


def by_overlap(sinogram: Sinogram, angles: NDArray[np.float64]) -> float:
    """Return the axis of a full turn about which the two half turns mirror each other where they overlap.

    A line that one half turn sees on one side of the axis, the other sees on its other side. The overlap is
    tried on both edges, and what differs there is measured by its contrast, so that few rays of little
    contrast do not pass for a good match (N. T. Vo et al., Opt. Express 29 (2021) 17849,
    doi:10.1364/OE.418448).
    """
    count, width = sinogram.shape
    first = np.flatnonzero(np.abs(angles - angles[0]) < np.pi * (1 - 1e-9))
    # the other half turn at the same lines, between the angles that were measured, and mirrored
    order = np.argsort(angles)
    wanted = angles[first] + np.pi * np.sign(angles[-1] - angles[0])
    above = np.clip(np.searchsorted(angles[order], wanted), 1, count - 1)
    low, high = order[above - 1], order[above]
    share = np.clip((wanted - angles[low]) / np.maximum(angles[high] - angles[low], 1e-12), 0, 1)[:, None]
    kept = ((wanted >= angles.min() - 1e-9) & (wanted <= angles.max() + 1e-9)).nonzero()[0]
    one = sinogram[first][kept]
    other = (sinogram[low] * (1 - share) + sinogram[high] * share)[kept, ::-1]
    places = np.arange(width)
    least = max(4.0, width / 40)

    def score(center: float) -> float:
        # ray j of the one is ray width - 1 - (2 center - j) of the mirrored other
        at = places - (2 * center - (width - 1))
        inside = (at >= 0) & (at <= width - 1)
        if np.count_nonzero(inside) < least:
            return np.inf
        below = np.minimum(at[inside].astype(int), width - 2)
        part = at[inside] - below
        a, b = one[:, inside], other[:, below] * (1 - part) + other[:, below + 1] * part
        contrast = a.var() + b.var()
        return float(((a - b) ** 2).mean() / contrast) if contrast > 0 else np.inf

    # whole and half steps take whole rays: between them, interpolation smooths, and would win or lose by it
    tried = np.arange(least / 2, width - 1 - least / 2 + 0.25, 0.5)
    scores = np.array([score(center) for center in tried])
    if not np.isfinite(scores).any():
        raise SpecError("a sinogram without contrast does not tell the rotation center: give it")
    best = int(np.argmin(scores))
    around = scores[max(best - 1, 0) : best + 2]
    if len(around) < 3 or not np.isfinite(around).all():
        return float(tried[best])
    before, here, after = around
    return float(tried[best] + 0.25 * (before - after) / max(before - 2 * here + after, 1e-300))


METHODS: MappingProxyType[str, Callable[[Sinogram, NDArray[np.float64]], float]] = MappingProxyType(
    {"mass": by_mass, "sharpness": by_sharpness, "wedge": by_wedge}
)
"""Ways to find the axis, by name."""

HALF_METHODS: MappingProxyType[str, Callable[[Sinogram, NDArray[np.float64]], float]] = MappingProxyType(
    {"overlap": by_overlap}
)
"""Ways to find it from a full turn with the axis near one edge."""


def _least(score: Callable[[float], float], start: float, width: int) -> float:
    """Return where a score is least: by whole steps around the start, then ever finer ones."""
    best = float(np.clip(round(start), 0, width - 1))
    reach, step = _reach(width), 1.0
    while step > 0.02:
        tried = np.clip(np.arange(best - reach, best + reach + step / 2, step), 0, width - 1)
        best = float(tried[np.argmin([score(center) for center in tried])])
        reach, step = step, step / 4
    return best


def _half_turn(sinogram: Sinogram, angles: NDArray[np.float64]) -> tuple[Sinogram, NDArray[np.float64]]:
    """Return the projections of the first 180°."""
    kept = np.abs(angles - angles[0]) < np.pi * (1 - 1e-9)
    return sinogram[kept], angles[kept]


def _reach(width: int) -> float:
    """Return how far from the start an axis is looked for."""
    return max(3.0, width / 20)
