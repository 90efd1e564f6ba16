"""The shadow of a beam stop and of what holds it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.masks import F64, Mask, grow
from aureole.errors import InputError
from aureole.geometry import Geometry

_BOX = 5
"""Pixels a side over which the image is smoothed."""
_DARK = 0.5
"""What is below this part of what the ring has is in the shadow."""
_RISES = 1.1
"""The profile still rises out of the shadow where it is higher by this factor a little farther out."""
_LARGEST = 0.25
"""No beam stop covers more of the image."""
_AHEAD = 12
"""Rings ahead that are compared, at least."""
_FAINT = 0.1
"""Below this part of what a ring usually has, the profile is that of the shadow."""
_SURE = 4.0
"""Standard deviations that the shadow is darker at least."""


def beam_stop(image: F64, geometry: Geometry, noise: F64 | float = 0.0) -> Mask:
    """Find the shadow of a beam stop around the direct beam, with that of an arm that holds it.

    From the centre outwards, the median along the ring rises out of the shadow until it stays about the same
    or falls. Within that radius, the shadow is what is below half of the median there; outside of it, what is
    below half of the ring's median. Of this, the part that is connected with the centre counts, over gaps
    too, two pixels wider.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
        NaN where invalid.
    geometry : Geometry
        Of this shape.
    noise : ndarray, shape (n1, n2), or float
        Variance of the image, as far as it is known.

    Returns
    -------
    ndarray of bool, shape (n1, n2)

    Raises
    ------
    InputError
        There is no such shadow: the intensity does not fall towards the centre, the centre is not on the
        image, or the shadow would cover more than a quarter of it.
    """
    from scipy.ndimage import binary_opening, distance_transform_edt, label, uniform_filter

    row, column = geometry.beam_center()
    at = f"around row {row:.1f}, column {column:.1f}"
    shape = image.shape
    if not (0 <= row < shape[0] and 0 <= column < shape[1]):
        raise InputError(
            f"no beam stop {at}: the direct beam does not meet the image; give its shape instead"
        )
    valid = np.isfinite(image)
    weight = uniform_filter(valid.astype(np.float64), _BOX, mode="nearest")
    seen = valid & (weight > 0.2)
    smooth = uniform_filter(np.where(valid, image, 0.0), _BOX, mode="nearest") / np.maximum(weight, 1e-9)
    rows, columns = np.arange(shape[0]) + 0.5 - row, np.arange(shape[1]) + 0.5 - column
    radius = np.hypot.outer(rows, columns)
    ring = radius.astype(np.intp)
    profile = _profile(smooth, seen, ring)
    edge = _rim(profile)
    if edge is None:
        raise InputError(
            f"no beam stop {at}: the intensity does not fall towards the centre; give its shape instead"
        )
    usual = np.where(ring <= edge, profile[edge], profile[ring])
    error = np.sqrt(np.broadcast_to(np.asarray(noise, np.float64), shape)) / _BOX
    with np.errstate(invalid="ignore"):
        dark = seen & (smooth < _DARK * usual) & (usual - smooth > _SURE * np.nan_to_num(error))
    # a gap is as dark as the pixel beside it
    dark = dark[tuple(distance_transform_edt(~seen, return_distances=False, return_indices=True))]
    dark = binary_opening(dark, np.ones((3, 3), bool))
    parts, _ = label(dark, np.ones((3, 3), int))
    inner = parts[radius <= max(3.0, 0.2 * edge)]
    inner = inner[inner > 0]
    shadow = parts == (np.bincount(inner).argmax() if inner.size else -1)
    found = grow(shadow & seen, _BOX // 2)
    if not (shadow & seen).any() or found.mean() > _LARGEST:
        share = (
            f"would cover {100 * found.mean():.0f} % of the image" if found.any() else "is not dark enough"
        )
        raise InputError(f"no beam stop {at}: the shadow {share}; give its shape instead")
    return found


def _profile(smooth: F64, seen: Mask, ring: NDArray[np.intp]) -> F64:
    """Return the median on each ring; NaN where nothing is seen."""
    numbers, values = ring[seen], smooth[seen]
    size = np.bincount(numbers, minlength=int(ring.max()) + 1)
    ordered = values[np.lexsort((values, numbers))]
    middle = np.minimum(np.cumsum(size) - size + size // 2, max(ordered.size - 1, 0))
    return np.where(size > 0, ordered[middle] if ordered.size else np.nan, np.nan)


def _rim(profile: F64) -> int | None:
    """Return where the profile has risen out of a shadow at the centre; None if there is none."""
    known = np.flatnonzero(np.isfinite(profile))
    if not known.size:
        return None
    values = profile[known]
    least = _FAINT * float(np.median(values))
    for place, value in enumerate(values[:-1]):
        # over more than a ring is wide, lest a ring is taken for the end of a shadow
        ahead = float(np.median(values[place + 1 : place + 1 + max(_AHEAD, place // 4)]))
        if value > least and ahead < _RISES * value and values[0] < _DARK * min(value, ahead):
            return int(known[place])
    return None
