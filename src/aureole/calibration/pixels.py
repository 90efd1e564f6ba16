"""Which pixels of an image have a value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.geometry import Detector

BoolArray = NDArray[np.bool_]


def usable_pixels(
    image: NDArray[np.generic], detector: Detector | None, mask: NDArray[np.generic] | None = None
) -> BoolArray:
    """Return which pixels of an image have a value.

    Out are masked pixels, the gaps of the detector, the values by which it marks pixels without a value, and
    what such values are on any detector: counts below zero, all bits set, NaN and infinities.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
    detector : Detector or None
    mask : ndarray, shape (n1, n2), optional
        Not zero where invalid.

    Raises
    ------
    SpecError
        The mask has another shape than the image.
    """
    valid = np.ones(image.shape, bool)
    if mask is not None:
        if mask.shape != image.shape:
            raise SpecError(f"the mask has shape {mask.shape}, the image has {image.shape}")
        valid &= np.equal(mask, 0)
    if image.dtype.kind == "f":
        valid &= np.isfinite(image)
    elif image.dtype.kind == "i":
        valid &= np.greater_equal(image, 0)
    elif image.dtype.kind == "u" and image.dtype.itemsize > 1:
        valid &= np.not_equal(image, np.iinfo(np.dtype(image.dtype.str)).max)
    if detector is not None:
        valid &= ~detector.mask
        for low, high in detector.invalid_values(image.dtype):
            valid &= ~(np.greater_equal(image, low) & np.less_equal(image, high))
    return valid
