"""Grids that are found in positions: which of them are of one place, although encoders differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.mapping.scan import MOST_PLACES

_NOISE = 1e-9
"""Differences below this fraction of the largest position are of floating point."""
_JUMP = 1.5
"""Gaps of one kind differ by less than this factor from the next smaller one."""
_CLEAR = 0.75
"""A place is no wider than this fraction of the gaps beside it."""
_MOST_READINGS = 32
_EVEN = 0.25
"""How far a step may be from a multiple of the usual step, as a fraction of that."""
_FILLED = 0.5
"""Less than this fraction of a grid filled with frames is taken for no grid."""
_FEW = 2
"""Places in excess have so many times fewer frames than all others."""


class Reading:
    """One way to read the positions of an axis as places: those with no gap between them are one place.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Positions, sorted.
    cuts : ndarray of intp
        Where a new place begins.
    """

    def __init__(self, ordered: NDArray[np.float64], cuts: NDArray[np.intp]) -> None:
        starts = np.concatenate([np.zeros(1, np.intp), cuts])
        ends = np.concatenate([cuts - 1, np.array([len(ordered) - 1])])
        self.low, self.high = ordered[starts], ordered[ends]
        offsets = ordered - np.repeat(self.low, ends - starts + 1)
        # relative to the lowest, so that equal positions give exactly that position
        self.centres = self.low + np.add.reduceat(offsets, starts) / (ends - starts + 1)
        self.count = len(starts)

    @property
    def clear(self) -> bool:
        """Whether places are narrow against the gaps between them."""
        narrowest = float(np.min(self.low[1:] - self.high[:-1]))
        return float(np.max(self.high - self.low)) <= _CLEAR * narrowest

    @property
    def even(self) -> bool:
        """Whether no step is far below the usual one, as noise within a place would make it."""
        steps = np.diff(self.centres)
        return float(np.min(steps)) >= _EVEN * _usual(steps)

    @property
    def lengths(self) -> tuple[int, int]:
        """How many places there are: without and with lines of an even grid that were lost."""
        return self.count, int(self.steps()[-1]) + 1

    def labels(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the place of each position."""
        return np.searchsorted(self.low, values, side="right") - 1

    def steps(self) -> NDArray[np.intp]:
        """Return how many steps each place is from the first: of an even grid, those of lost lines count."""
        gaps = np.diff(self.centres)
        times = np.rint(gaps / _usual(gaps))
        off = np.abs(gaps - times * _usual(gaps))
        if np.min(times) < 1 or np.max(off) > _EVEN * _usual(gaps) or np.sum(times) >= 2 * self.count:
            times = np.ones_like(gaps)
        return np.concatenate([np.zeros(1), np.cumsum(times)]).astype(np.intp)


def readings_of(name: str, values: NDArray[np.float64], tolerance: float | None) -> list[Reading]:
    """Return the ways to read positions as places, few places first.

    Raises
    ------
    SpecError
        All positions are the same.
    """
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    noise = _NOISE * float(np.max(np.abs(ordered)))
    if len(gaps) == 0 or ordered[-1] - ordered[0] <= noise:
        raise SpecError(f"{name} did not move: it is {ordered[0]:g} for all frames")
    if tolerance is not None:
        thresholds = [tolerance]
    else:
        sizes = np.sort(gaps[gaps > noise])[::-1]
        jumps = [int(place) for place in np.flatnonzero(sizes[:-1] > _JUMP * sizes[1:])]
        thresholds = [float(sizes[place + 1]) for place in jumps[:_MOST_READINGS]] + [noise]
    found = []
    for threshold in thresholds:
        cuts = np.flatnonzero(gaps > threshold) + 1
        if len(cuts):
            found.append(Reading(ordered, cuts))
    if not found:
        raise SpecError(f"{name} did not move by more than the tolerance, {tolerance:g}")
    return found if tolerance is not None else [reading for reading in found if reading.clear]


def _usual(steps: NDArray[np.float64]) -> float:
    """Return the lower median, which is a step that was made."""
    return float(np.sort(steps)[(len(steps) - 1) // 2])


def of_length(name: str, readings: list[Reading], length: int) -> list[Reading]:
    """Return the readings that have so many places; raises `SpecError` if there are none."""
    fitting = [reading for reading in readings if length in reading.lengths]
    if not fitting:
        counts = sorted({reading.count for reading in readings})[:3]
        have = f"are at {' or '.join(map(str, counts))} places" if counts else "are not on a grid"
        raise SpecError(
            f"the positions of {name} {have}, the shape says {length}; leave it out to take what is there"
        )
    return fitting


def best(
    readings: list[list[Reading]], values: list[NDArray[np.float64]], *, sure: bool
) -> tuple[Reading, ...] | None:
    """Choose the readings of all axes of which the fewest places are empty and the fewest frames repeated.

    Along a line each reading fills all its places: there the finest one is taken whose steps are alike.
    """
    frames = len(values[0])
    if len(readings) == 1:
        return next(((reading,) for reading in reversed(readings[0]) if sure or reading.even), None)

    def bound(chosen: tuple[Reading, ...]) -> int:
        return abs(prod(reading.count for reading in chosen) - frames)

    best, lowest = None, -1
    for chosen in sorted(combinations(*readings), key=bound):
        if best is not None and bound(chosen) >= lowest:
            break
        places = prod(reading.count for reading in chosen)
        if places > MOST_PLACES:
            continue
        labels = [reading.labels(found) for reading, found in zip(chosen, values, strict=True)]
        filled = len(np.unique(np.ravel_multi_index(labels, [reading.count for reading in chosen])))
        cost = (places - filled) + (frames - filled)
        if (sure or filled >= _FILLED * places) and (best is None or cost < lowest):
            best, lowest = chosen, cost
    return best


def strays(
    readings: Sequence[list[Reading]], values: Sequence[NDArray[np.float64]], shape: Sequence[int]
) -> NDArray[np.bool_]:
    """Tell the frames that lie off a grid of known shape: at places in excess with few frames.

    Parameters
    ----------
    readings : sequence of list of Reading
        Of each axis.
    values : sequence of ndarray, shape (n,)
        Positions along each axis.
    shape : sequence of int
        How many places each axis has.

    Returns
    -------
    ndarray of bool, shape (n,)
        Nothing but False where it is not clear which places are in excess.
    """
    stray = np.zeros(len(values[0]), np.bool_)
    for found, positions, length in zip(readings, values, shape, strict=True):
        if any(length in reading.lengths for reading in found):
            continue
        for reading in found:
            if reading.count > length:
                labels = reading.labels(positions)
                times = np.bincount(labels)
                order = np.argsort(times, kind="stable")
                excess = reading.count - length
                if _FEW * times[order[excess - 1]] <= times[order[excess]]:
                    stray |= np.isin(labels, order[:excess])
                    break
    return stray
