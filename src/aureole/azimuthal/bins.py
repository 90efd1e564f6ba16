"""How many bins are worth having."""

from __future__ import annotations

from math import hypot

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.errors import GeometryError, SpecError
from aureole.geometry import Geometry


def bins_along_radius(geometry: Geometry) -> int:
    """Return the number of pixels from the beam to the corner farthest from it: one bin a pixel.

    More bins repeat the same pixels, fewer blur the pattern. Where the beam does not meet the detector, the
    distance between the corners counts.

    Parameters
    ----------
    geometry : Geometry
        With a detector of known shape.

    Returns
    -------
    int

    Raises
    ------
    GeometryError
        The detector has no shape.
    """
    rows, columns = geometry.shape
    try:
        row, column = geometry.beam_center()
    except GeometryError:
        return int(hypot(rows, columns))
    far = hypot(max(row, rows - row), max(column, columns - column))
    nearest = hypot(max(0.0, -row, row - rows), max(0.0, -column, column - columns))
    return max(1, int(far - nearest))


def most_bins(
    geometry: Geometry,
    unit: str,
    *,
    radial_range: tuple[float, float] | None = None,
    pixels: int = 1,
    mask: NDArray[np.bool_] | None = None,
) -> int:
    """Return the largest number of bins up to which every bin has so many pixels, without splitting.

    Parameters
    ----------
    geometry : Geometry
        With a detector of known shape (n1, n2).
    unit : str
        Of the axis.
    radial_range : tuple of float, optional
        In that unit; from the first to the last valid pixel without it.
    pixels : int
        How many pixels each bin must have, at least.
    mask : ndarray of bool, shape (n1, n2), optional
        True where pixels are invalid; the detector's own without it.

    Returns
    -------
    int
        No larger than the number of pixels along four diagonals.

    Raises
    ------
    SpecError
        Fewer than one pixel is asked for, a mask of another shape, or not even one bin has as many.
    GeometryError
        The detector has no shape, or the unit needs a wavelength.
    """
    if pixels < 1:
        raise SpecError(f"bins of {pixels} pixels: at least one is needed")
    shape = geometry.shape
    mask = geometry.detector.mask if mask is None else np.asarray(mask, bool)
    if mask.shape != shape:
        raise SpecError(f"the mask has shape {mask.shape} and the detector {shape}")
    place = geometry.center_array(unit)
    place = np.sort(place[~mask & np.isfinite(place)])
    if not place.size:
        raise SpecError("every pixel is masked")
    low, high = Axis(unit, 1, radial_range).resolve(float(place[0]), float(place[-1]))
    for n in range(1, int(4.0 * hypot(*shape)) + 1):
        edges = low + np.arange(n + 1) * ((high - low) / n)
        if np.diff(np.searchsorted(place, edges)).min() < pixels:
            break
    else:
        return n
    if n == 1:
        raise SpecError(f"fewer than {pixels} pixels lie in the range of {unit}")
    return n - 1
