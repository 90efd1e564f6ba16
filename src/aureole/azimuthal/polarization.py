"""The polarization of the beam, from what scatters the same all around it."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.result import Cake
from aureole.azimuthal.shortcuts import Options, integrate2d
from aureole.errors import SpecError
from aureole.frames import EncodedFrame
from aureole.geometry import Geometry
from aureole.units import unit as find_unit

F64 = NDArray[np.float64]

_ROUNDS = 12
_OUTLIER = 4.0
_LEAST_PIXELS = 3
_BEYOND = 0.05
"""By how much more than its error a factor may be beyond ±1: bins are not infinitely fine."""


class Polarization(NamedTuple):
    """The polarization factor, and its standard error from the scatter of the data about the fit."""

    factor: float
    error: float


def fit_polarization(
    image: NDArray[Any] | EncodedFrame,
    geometry: Geometry,
    *,
    npt_radial: int = 200,
    npt_azimuthal: int = 90,
    **options: Unpack[Options],
) -> Polarization:
    """Fit the polarization factor f to a frame of a sample whose scattering is the same at all azimuths.

    With I the intensity of a bin of the cake, corrected for all but polarization, each ring has I = a·½[1 +
    cos²2θ - f cos 2χ (1 - cos²2θ)] with an unknown a. That is linear in a and af: f is common to all rings,
    and follows by least squares, weighted by the number of pixels; bins more than four standard deviations
    off are left out. Far from 2θ = 0 it is well determined; near to it, it is not: see the error, which knows
    nothing of texture.

    Parameters
    ----------
    image : ndarray of shape (n1, n2), or EncodedFrame
    geometry : Geometry
    npt_radial, npt_azimuthal : int
        Number of bins of the cake.
    **options
        Fields of `IntegrationSpec`; ``mask`` above all.

    Returns
    -------
    Polarization

    Raises
    ------
    SpecError
        A polarization factor among the options, too few rings seen from enough sides, or a factor beyond ±1,
        as texture or a wrong geometry gives it.
    FrameError
        An image that cannot be used.
    """
    if options.get("polarization_factor") is not None:
        raise SpecError("the polarization factor is fitted: do not give one")
    cake = integrate2d(image, geometry, npt_radial, npt_azimuthal, unit="2th_rad", **options)
    assert isinstance(cake, Cake)
    assert cake.radial is not None
    assert cake.azimuthal is not None
    offset = options.get("polarization_axis_offset") or 0.0
    chi = cake.azimuthal / find_unit("chi_deg").factor + offset
    square = np.square(np.cos(cake.radial))
    even = np.broadcast_to(0.5 * (1.0 + square), cake.intensity.shape)
    odd = 0.5 * np.cos(2.0 * chi)[:, None] * (1.0 - square)
    weight = np.where((cake.count >= _LEAST_PIXELS) & np.isfinite(cake.intensity), cake.count, 0.0)
    value = np.nan_to_num(cake.intensity)
    factor, error = 0.0, np.inf
    for _ in range(_ROUNDS):
        factor, error, off = _step(factor, value, weight, even, odd)
        if not np.isfinite(error):
            break
        spread = np.sqrt(np.average(np.square(off), weights=weight))
        weight = np.where(np.abs(off) > _OUTLIER * spread, 0.0, weight)
    if not np.isfinite(error):
        raise SpecError("too few bins have an intensity to fit the polarization: look at a larger 2theta")
    if abs(factor) > 1.0 + _BEYOND + _OUTLIER * error:
        raise SpecError(
            f"the fit gives a polarization factor of {factor:.3g} ± {error:.2g}, which no beam has: the "
            "sample may be textured, or the geometry wrong"
        )
    return Polarization(float(np.clip(factor, -1.0, 1.0)), float(error))


def _step(factor: float, value: F64, weight: F64, even: F64, odd: F64) -> tuple[float, float, F64]:
    """Return a better factor by a step of Gauss and Newton, its error, and how far off each bin is."""
    model = even - factor * odd
    normal = (weight * model * model).sum(0)
    scale = np.divide((weight * model * value).sum(0), normal, out=np.zeros(normal.size), where=normal > 0.0)
    off = value - scale * model
    slope = -scale * odd
    # what a change of f does beyond a change of the scale of its ring
    shared = np.divide((weight * model * slope).sum(0), normal, out=np.zeros(normal.size), where=normal > 0.0)
    slope = slope - shared * model
    curvature = float((weight * slope * slope).sum())
    used = int(np.count_nonzero(weight)) - int(np.count_nonzero(normal)) - 1
    if curvature <= 0.0 or used < 1:
        return factor, np.inf, off
    better = factor + float((weight * slope * off).sum()) / curvature
    return better, float(np.sqrt((weight * off * off).sum() / used / curvature)), off
