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


def find_center(sinogram: ArrayLike, angles: ArrayLike) -> Center:
    """Return the rotation axis on which several methods agree.

    Parameters
    ----------
    sinogram : array_like, shape (angles, translations)
        Of much signal: the sum of all channels, say.
    angles : array_like, shape (angles,)
        In radians; 180° or more of them, evenly spread.

    Raises
    ------
    SpecError
        Shapes that do not fit, a sinogram without contrast, or angles that cover less than 150°.
    """
    turned = np.asarray(angles, np.float64)
    beam = ParallelBeam(turned, np.shape(sinogram)[-1])
    given = checked(sinogram, beam.shape, "sinogram").astype(np.float64)
    if np.ptp(turned) < np.radians(150):
        raise SpecError(
            f"angles over {np.degrees(np.ptp(turned)):.0f}° do not tell the rotation center: give it"
        )
    if given.sum(axis=1).min() <= 0 or np.ptp(given) == 0:
        raise SpecError("a sinogram without contrast does not tell the rotation center: give it")
    found = {name: method(given, turned) for name, method in METHODS.items()}
    return Center(float(np.median(list(found.values()))), found)


def by_mass(sinogram: Sinogram, angles: NDArray[np.float64]) -> float:
    """Return the middle of the sine on which the centre of mass of the projections moves.

    The sample must be within the translations at all angles. The fit is weighed down where it does not hold
    (Tukey's biweight), so that some bad projections do no harm.
    """
    places = np.arange(sinogram.shape[1])
    masses = sinogram @ places / sinogram.sum(axis=1)
    model = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    weights = np.ones_like(angles)
    for _ in range(10):
        root = np.sqrt(weights)[:, None]
        fit = np.linalg.lstsq(model * root, masses * root[:, 0], rcond=None)[0]
        rest = masses - model @ fit
        scale = 4.685 * 1.4826 * np.median(np.abs(rest)) + 1e-12
        weights = np.clip(1 - (rest / scale) ** 2, 0, None) ** 2
    return float(fit[0])


def by_sharpness(sinogram: Sinogram, angles: NDArray[np.float64]) -> float:
    """Return the axis that makes the slice least negative.

    Of half a turn, a wrong axis smears each point to a half ring of both signs, so that the sum of absolute
    values is smallest at the right one (T. Donath et al., J. Opt. Soc. Am. A 23 (2006) 1048,
    doi:10.1364/JOSAA.23.001048).
    """
    width, start = sinogram.shape[1], by_mass(sinogram, angles)
    sinogram, angles = _half_turn(sinogram, angles)
    # what is seen whichever axis is tried: a score must not fall because there is less of the slice
    size = max(3, int(2 * (min(start, width - 1 - start) - _reach(width))))

    def score(center: float) -> float:
        beam = ParallelBeam(angles, width, rotation_center=center, size=size)
        slice_ = FilteredBackprojection(beam, "hann", method="fourier").reconstruct(sinogram, threads=1)
        return float(np.abs(slice_, dtype=np.float64).sum())

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


METHODS: MappingProxyType[str, Callable[[Sinogram, NDArray[np.float64]], float]] = MappingProxyType(
    {"mass": by_mass, "sharpness": by_sharpness, "wedge": by_wedge}
)
"""Ways to find the axis, by name."""


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
