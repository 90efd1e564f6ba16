"""Where rings have their centre: their ridges look at it from all around."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_PAIRS = 800
_WIDE, _NARROW = 0.07, 0.035
"""Sine of the angle by which a normal may miss the centre, at first and then."""
_CROWD = 1200
"""Points of which the crowding is judged."""
_SMOOTH = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9.0
_FAR = 30.0
"""Where a centre is looked for: within so many times the extent of the points."""


class Centre(NamedTuple):
    """A point (p1, p2) in metres at which normals look.

    `support` is by how many standard deviations more look at it than by chance, `share` how many do.
    """

    place: FloatArray
    support: float
    share: float


def find_centres(places: FloatArray, across: FloatArray, *, most: int = 3, seed: int = 0) -> list[Centre]:
    """Return the points at which most of the normals of ridges look, the best first.

    Pairs of normals, drawn at random, propose where they cross (M. A. Fischler and R. C. Bolles, Commun. ACM
    24 (1981) 381); what the most points look at is made precise by least squares. The centre may be far
    outside of the image.

    Parameters
    ----------
    places : ndarray, shape (N, 2)
        p1, p2 in metres.
    across : ndarray, shape (N, 2)
        Unit normals.
    most : int
        How many to return.
    seed : int
        Of the draws.
    """
    if len(places) < 8:
        return []
    proposed = _crossings(places, across, np.random.default_rng(seed))
    found: list[Centre] = []
    counts = np.array([_looking(places, across, place, _WIDE).sum() for place in proposed])
    extent = float(np.ptp(places, axis=0).max())
    while counts.size and len(found) < most:
        best = int(np.argmax(counts))
        place = _precise(places, across, proposed[best])
        chance = _NARROW * 2.0 / np.pi * len(places)
        looking = float(_looking(places, across, place, _NARROW).sum())
        found.append(Centre(place, (looking - chance) / np.sqrt(chance), looking / len(places)))
        near = 0.05 * (extent + float(np.hypot(*(place - places.mean(0)))))
        gone = np.hypot(*(proposed - place).T) < near
        gone |= np.hypot(*(proposed - proposed[best]).T) < near
        proposed, counts = proposed[~gone], counts[~gone]
    return sorted(found, key=lambda centre: -centre.support)


def _crossings(places: FloatArray, across: FloatArray, rng: np.random.Generator) -> FloatArray:
    first, second = rng.integers(0, len(places), (2, _PAIRS))
    between = places[second] - places[first]
    turn = across[first, 0] * across[second, 1] - across[first, 1] * across[second, 0]
    usable = np.abs(turn) > 0.02
    first, second, between, turn = first[usable], second[usable], between[usable], turn[usable]
    along = (between[:, 0] * across[second, 1] - between[:, 1] * across[second, 0]) / turn
    crossing = places[first] + along[:, None] * across[first]
    extent = float(np.ptp(places, axis=0).max())
    inside: FloatArray = crossing[np.hypot(*(crossing - places.mean(0)).T) < _FAR * extent]
    return inside


def _looking(places: FloatArray, across: FloatArray, centre: FloatArray, sine: float) -> NDArray[np.bool_]:
    """Return which normals pass by a point at an angle of less than this."""
    to = places - centre
    off = np.abs(to[:, 0] * across[:, 1] - to[:, 1] * across[:, 0])
    looking: NDArray[np.bool_] = off < sine * np.hypot(to[:, 0], to[:, 1])
    return looking


def _precise(places: FloatArray, across: FloatArray, centre: FloatArray) -> FloatArray:
    """Return the point that normals that look at it pass by at the smallest angles."""
    along = np.column_stack((across[:, 1], -across[:, 0]))
    offset = np.einsum("ij,ij->i", along, places)
    for sine in (_WIDE, _WIDE, _NARROW, _NARROW, _NARROW, _NARROW):
        near = _looking(places, across, centre, sine)
        if near.sum() < 8:
            break
        weight = 1.0 / np.hypot(*(places[near] - centre).T)
        rows = along[near] * weight[:, None]
        centre = np.linalg.lstsq(rows, offset[near] * weight, rcond=None)[0]
    return centre


def crowding_centre(places: FloatArray, extent: tuple[float, float], width: float) -> Centre:
    """Return the point about which radii crowd most, for spots, which tell no direction.

    All points of a grid over the image are tried, in steps of the width of the bins. Support is by how many
    deviations (from the median absolute one) the crowding there stands out of the others.

    Parameters
    ----------
    places : ndarray, shape (N, 2)
        p1, p2 of ridge points in metres.
    extent : tuple of float
        Size of the image along both axes in metres.
    width : float
        Of the bins in metres.
    """
    some = places[:: max(1, len(places) // _CROWD)]
    grids = [np.arange(-0.1 * size, 1.1 * size, width) for size in extent]
    proposed = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, 2)
    values = np.empty(len(proposed))
    for index, place in enumerate(proposed):
        radius = np.hypot(some[:, 0] - place[0], some[:, 1] - place[1])
        counts = np.bincount((radius / width).astype(np.intp)).astype(np.float64)
        # against what is smooth, so that points near the middle do not crowd by being near it
        smooth = np.convolve(counts, _SMOOTH, "same")
        values[index] = np.sum(np.square(counts - smooth)) - counts.sum()
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    best = int(np.argmax(values))
    return Centre(proposed[best], (float(values[best]) - middle) / max(spread, 1e-300), 0.0)
