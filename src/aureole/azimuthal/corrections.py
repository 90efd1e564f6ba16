"""What a spec says of single pixels: which are valid, what they are divided by, what values mean nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aureole.arrays import NamedArray
from aureole.azimuthal.spec import IntegrationSpec
from aureole.errors import SpecError
from aureole.geometry import Detector, Geometry
from aureole.kernels.sums import is_invalid

F64 = NDArray[np.float64]

_MOST_INTERVALS = 8
"""What the kernels take."""


class PixelFacts(NamedTuple):
    """What is known of each pixel before the first frame; all of shape (n1, n2) and 0 where masked.

    Attributes
    ----------
    mask : ndarray of bool
        True where no frame has a valid value.
    norm : ndarray
        What the signal is divided by: flat · solid angle · efficiency · polarization · absorption ·
        normalization factor.
    dark, dark_variance : ndarray or None
        Counts a frame, and their variance.
    """

    mask: NDArray[np.bool_]
    norm: F64
    dark: F64 | None
    dark_variance: F64 | None


def shaped(spec: IntegrationSpec) -> Geometry:
    """Return the geometry of a spec with the shape of its frames; raises `SpecError` where it is unknown."""
    if spec.shape is None:
        raise SpecError("the shape of a frame is not known: give a detector that has one, or a mask")
    return spec.geometry.with_shape(spec.shape)


def pixels(spec: IntegrationSpec, geometry: Geometry, *, threads: int | None = None) -> PixelFacts:
    """Work out mask and corrections of all pixels.

    Parameters
    ----------
    spec : IntegrationSpec
    geometry : Geometry
        That of the spec, with the shape of the frames.
    threads : int, optional
        How many work on it; all available cores without it.

    Raises
    ------
    SpecError
        A negative variance of the dark in a valid pixel, or no valid pixel at all.
    """
    arrays = spec.arrays
    mask = masked_pixels(spec, geometry.detector)
    norm = geometry.solid_angle(threads=threads) if spec.solid_angle else np.ones(mask.shape)
    if spec.normalization_factor != 1.0:
        norm *= spec.normalization_factor
    for name in ("flat", "absorption"):
        if name in arrays:
            norm *= arrays[name].array.astype(np.float64)
    if (sensor := spec.efficiency_of) is not None:
        norm *= sensor.relative_efficiency(geometry.energy_kev, geometry.incidence())
    if spec.polarization_factor is not None:
        norm *= geometry.polarization(
            spec.polarization_factor, spec.polarization_axis_offset, threads=threads
        )
    known = [norm, _plain(arrays.get("dark")), _plain(arrays.get("dark_variance"))]
    for image in known:
        if image is not None:
            np.copyto(image, 0.0, where=mask)
    return PixelFacts(mask, norm, known[1], known[2])


def masked_pixels(spec: IntegrationSpec, detector: Detector) -> NDArray[np.bool_]:
    """Return where no frame has a valid value, (n1, n2): the mask of `pixels`, and its errors."""
    arrays = spec.arrays
    mask = np.zeros(detector.known_shape, bool)
    if spec.detector_mask:
        mask |= detector.mask
    if "mask" in arrays:
        mask |= arrays["mask"].array
    for name in ("flat", "absorption"):
        if name in arrays:
            factor = arrays[name].array.astype(np.float64)
            mask |= ~((factor > 0.0) & np.isfinite(factor))
    for name in ("dark", "flat"):
        if name in arrays:
            values = arrays[name].array
            mask |= is_invalid(values.astype(np.float64), invalid_values(spec, detector, values.dtype))
    dark_variance = _plain(arrays.get("dark_variance"))
    if dark_variance is not None:
        mask |= ~np.isfinite(dark_variance)
        negative = int(np.count_nonzero((dark_variance < 0.0) & ~mask))
        if negative:
            raise SpecError(f"dark_variance is negative in {negative} valid pixels")
    if mask.all():
        raise SpecError("every pixel is masked: nothing is left to integrate")
    return mask


def invalid_values(spec: IntegrationSpec, detector: Detector, dtype: DTypeLike) -> F64:
    """Return the closed intervals of values that mean "no value" in images of a type, shape (K, 2)."""
    return no_values(detector, dtype, dummy=spec.dummy, delta_dummy=spec.delta_dummy)


def no_values(
    detector: Detector | None,
    dtype: DTypeLike,
    *,
    dummy: float | None = None,
    delta_dummy: float | None = None,
) -> F64:
    """Return the closed intervals of values that mean "no value" in images of a type, shape (K, 2).

    Parameters
    ----------
    detector : Detector or None
        Whose own values count where there is no dummy.
    dtype : dtype
    dummy, delta_dummy : float, optional
        What takes their place: dummy ± delta_dummy.
    """
    dtype = np.dtype(dtype)
    intervals: list[tuple[float, float]] = []
    if dummy is not None:
        delta = delta_dummy or 0.0
        # In an image of float32 the value stands as float32 has it: -1.1 is not -1.1 there.
        stored = dummy
        if dtype.kind == "f":
            with np.errstate(over="ignore"):
                stored = float(np.float64(dummy).astype(dtype))
        intervals = [(min(dummy, stored) - delta, max(dummy, stored) + delta)]
    elif detector is not None:
        intervals = list(detector.invalid_values(dtype))
    if dtype.kind == "f":
        intervals += [(np.inf, np.inf), (-np.inf, -np.inf)]
    return np.array(intervals, np.float64).reshape(-1, 2)


def invalid_in_frames(spec: IntegrationSpec, detector: Detector, dtype: DTypeLike) -> F64:
    """Return `invalid_values`, and what is above the saturation.

    Raises
    ------
    SpecError
        There are more of them than the kernels take.
    """
    intervals = invalid_values(spec, detector, dtype)
    if spec.saturation is not None:
        intervals = np.concatenate([intervals, [[np.nextafter(spec.saturation, np.inf), np.inf]]])
    if len(intervals) > _MOST_INTERVALS:
        raise SpecError(
            f"{len(intervals)} intervals of values mean nothing in frames of {np.dtype(dtype)}, of at most "
            f"{_MOST_INTERVALS}: give a dummy and its delta in the place of the detector's invalid values"
        )
    return intervals


def _plain(named: NamedArray | None) -> F64 | None:
    return None if named is None else named.array.astype(np.float64)
